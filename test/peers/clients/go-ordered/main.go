// A client on grpc-go that makes the calls it is ordered to make. Reads orders as lines of JSON, all of which it carries out
// at once, and answers each with one when its call has ended; see ordered.ts.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"connectlb/simple"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
)

type order struct {
	Number       int               `json:"number"`
	Addresses    string            `json:"addresses"`
	Kind         string            `json:"kind"`
	Data         string            `json:"data"`
	Messages     int               `json:"messages"`
	TimeoutMs    float64           `json:"timeoutMs"`
	WaitForReady bool              `json:"waitForReady"`
	Header       map[string]string `json:"header"`
}

type answer struct {
	Number  int      `json:"number"`
	Code    int      `json:"code"`
	Message string   `json:"message"`
	Values  []string `json:"values"`
}

// One channel for each list of addresses, over which it is balanced by turns.
func open(addresses string) simple.SimpleClient {
	list := manual.NewBuilderWithScheme("list")
	var endpoints []resolver.Endpoint
	for _, address := range strings.Split(addresses, ",") {
		endpoints = append(endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
	}
	list.InitialState(resolver.State{Endpoints: endpoints})
	connection, err := grpc.NewClient("list:///all", grpc.WithResolvers(list),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`))
	if err != nil {
		log.Fatal(err)
	}
	return simple.NewSimpleClient(connection)
}

func call(client simple.SimpleClient, o order) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(o.TimeoutMs*float64(time.Millisecond)))
	defer cancel()
	for name, value := range o.Header {
		ctx = metadata.AppendToOutgoingContext(ctx, name, value)
	}
	waits := grpc.WaitForReady(o.WaitForReady)
	request := &simple.SimpleRequest{Data: o.Data}
	switch o.Kind {
	case "serverStream":
		stream, err := client.RouteServerStream(ctx, request, waits)
		if err != nil {
			return nil, err
		}
		var values []string
		for {
			response, err := stream.Recv()
			if err == io.EOF {
				return values, nil
			}
			if err != nil {
				return nil, err
			}
			values = append(values, response.Value)
		}
	case "clientStream":
		stream, err := client.RouteClientStream(ctx, waits)
		if err != nil {
			return nil, err
		}
		for range o.Messages {
			if err := stream.Send(request); err != nil {
				break // CloseAndRecv says why.
			}
		}
		response, err := stream.CloseAndRecv()
		if err != nil {
			return nil, err
		}
		return []string{response.Value}, nil
	case "bidi":
		stream, err := client.RouteBidiStream(ctx, waits)
		if err != nil {
			return nil, err
		}
		var values []string
		for range o.Messages {
			if err := stream.Send(request); err != nil && err != io.EOF {
				return nil, err
			}
			response, err := stream.Recv()
			if err != nil {
				return nil, err
			}
			values = append(values, response.Value)
		}
		_ = stream.CloseSend()
		if _, err := stream.Recv(); err != io.EOF {
			return nil, err
		}
		return values, nil
	}
	response, err := client.Route(ctx, request, waits)
	if err != nil {
		return nil, err
	}
	return []string{response.Value}, nil
}

func main() {
	clients := map[string]simple.SimpleClient{}
	var writing sync.Mutex
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			log.Fatal(err)
		}
		client, found := clients[o.Addresses]
		if !found {
			client = open(o.Addresses)
			clients[o.Addresses] = client
		}
		go func() {
			values, err := call(client, o)
			writing.Lock()
			defer writing.Unlock()
			_ = out.Encode(answer{o.Number, int(status.Code(err)), status.Convert(err).Message(), values})
		}()
	}
}
