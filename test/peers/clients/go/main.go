// Calls to a server of the demo service by grpc-go: `calls <address> [--tls <ca.pem>] [--identity <cert.pem> <key.pem>]`.
// Prints `ok <name>` or `failed <name>: <why>` for each of the things that every client tries (see clients.ts).
//
// `calls --until-end <address,address,…>` makes client-streaming calls, round robin over the list, 64 at a time, until a line
// comes on standard input; it prints `calls <n>` from time to time, and each failure.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectlb/simple"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
)

const tenMiB = 10 << 20

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func equal[T comparable](what string, got, wanted T) error {
	if got != wanted {
		return fmt.Errorf("%s: got %v, expected %v", what, got, wanted)
	}
	return nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func unary(c simple.SimpleClient) error {
	var header, trailer metadata.MD
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-echo", "a b")
	response, err := c.Route(ctx, &simple.SimpleRequest{Data: "grüße"}, grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil {
		return err
	}
	return errors.Join(equal("value", response.Value, "grüße"), equal("header", first(header.Get("x-echo")), "a b"),
		equal("trailer", first(trailer.Get("x-echo-trailer")), "a b"))
}

func failure(c simple.SimpleClient) error {
	_, err := c.Route(context.Background(), &simple.SimpleRequest{Data: "fail"})
	return errors.Join(equal("code", status.Code(err), codes.FailedPrecondition),
		equal("message", status.Convert(err).Message(), "as asked: ✓ 100%"))
}

func receive(c simple.SimpleClient, data string, count, characters int) error {
	stream, err := c.RouteServerStream(context.Background(), &simple.SimpleRequest{Data: data})
	if err != nil {
		return err
	}
	messages, length := 0, 0
	for {
		response, err := stream.Recv()
		if err == io.EOF {
			return errors.Join(equal("messages", messages, count), equal("characters", length, characters))
		}
		if err != nil {
			return err
		}
		messages++
		length += len(response.Value)
	}
}

func upload(ctx context.Context, c simple.SimpleClient, count, characters int) error {
	stream, err := c.RouteClientStream(ctx)
	if err != nil {
		return err
	}
	text := strings.Repeat("x", characters)
	for range count {
		if err := stream.Send(&simple.SimpleRequest{Data: text}); err != nil {
			break // CloseAndRecv says why.
		}
	}
	response, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	return equal("summary", response.Value, fmt.Sprintf("%d %d", count, count*characters))
}

func turns(c simple.SimpleClient) error {
	stream, err := c.RouteBidiStream(context.Background())
	if err != nil {
		return err
	}
	for i := range 50 {
		text := fmt.Sprintf("turn %d", i)
		if err := stream.Send(&simple.SimpleRequest{Data: text}); err != nil {
			return err
		}
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := equal("turn", response.Value, text); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	_, err = stream.Recv()
	return equal("end", err, io.EOF)
}

func large(c simple.SimpleClient) error {
	response, err := c.Route(context.Background(), &simple.SimpleRequest{Data: strings.Repeat("x", tenMiB)})
	if err != nil {
		return err
	}
	return equal("length", len(response.Value), tenMiB)
}

func largeStreams(c simple.SimpleClient) error {
	return errors.Join(receive(c, fmt.Sprintf("160:%d", tenMiB/160), 160, tenMiB),
		upload(context.Background(), c, 160, tenMiB/160))
}

func atOnce(count int, do func(i int) error) error {
	failures := make(chan error, count)
	for i := range count {
		go func() { failures <- do(i) }()
	}
	var all error
	for range count {
		if err := <-failures; err != nil && all == nil {
			all = err
		}
	}
	return all
}

func manyCalls(c simple.SimpleClient) error {
	return atOnce(2000, func(i int) error {
		text := fmt.Sprint(i)
		response, err := c.Route(context.Background(), &simple.SimpleRequest{Data: text})
		if err != nil {
			return err
		}
		return equal("value", response.Value, text)
	})
}

func manyStreams(c simple.SimpleClient) error {
	var begun sync.WaitGroup
	begun.Add(2000)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return atOnce(2000, func(i int) error {
		stream, err := c.RouteBidiStream(ctx)
		if err == nil {
			err = stream.Send(&simple.SimpleRequest{Data: fmt.Sprint(i)})
		}
		if err == nil {
			_, err = stream.Recv()
		}
		begun.Done()
		if err != nil {
			return err
		}
		// Only when every stream has had an answer may any of them go on.
		begun.Wait()
		if err := stream.Send(&simple.SimpleRequest{Data: "again"}); err != nil {
			return err
		}
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		_ = stream.CloseSend()
		return equal("value", response.Value, "again")
	})
}

func cancellation(c simple.SimpleClient) error {
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := c.RouteServerStream(ctx, &simple.SimpleRequest{Data: "silent"})
	if err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	cancel()
	_, err = stream.Recv()
	return equal("code", status.Code(err), codes.Canceled)
}

func deadline(c simple.SimpleClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Route(ctx, &simple.SimpleRequest{Data: "silent"})
	return equal("code", status.Code(err), codes.DeadlineExceeded)
}

func compressed(c simple.SimpleClient) error {
	text := strings.Repeat("x", 100_000)
	response, err := c.Route(context.Background(), &simple.SimpleRequest{Data: text}, grpc.UseCompressor(gzip.Name))
	if err != nil {
		return err
	}
	return equal("length", len(response.Value), len(text))
}

var tries = []struct {
	name string
	try  func(simple.SimpleClient) error
}{
	{"a unary call with metadata", unary},
	{"an error", failure},
	{"a stream from the server", func(c simple.SimpleClient) error { return receive(c, "5000:100", 5000, 500_000) }},
	{"a stream from the client", func(c simple.SimpleClient) error { return upload(context.Background(), c, 5000, 100) }},
	{"a stream both ways", turns},
	{"messages of 10 MiB", large},
	{"10 MiB in streams", largeStreams},
	{"2,000 calls at once", manyCalls},
	{"2,000 streams at once", manyStreams},
	{"cancellation", cancellation},
	{"a deadline", deadline},
	{"compression", compressed},
}

func untilEnd(addresses []string) {
	list := manual.NewBuilderWithScheme("list")
	var endpoints []resolver.Endpoint
	for _, address := range addresses {
		endpoints = append(endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
	}
	list.InitialState(resolver.State{Endpoints: endpoints})
	connection := must(grpc.NewClient("list:///all", grpc.WithResolvers(list),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`)))
	client := simple.NewSimpleClient(connection)
	var calls atomic.Int64
	var ended atomic.Bool
	var workers sync.WaitGroup
	for range 64 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for !ended.Load() {
				text := fmt.Sprintf("id go %d", calls.Add(1))
				if err := slowly(client, text); err != nil {
					fmt.Printf("failed %s: %v\n", text, err)
				}
			}
		}()
	}
	go func() {
		for range time.Tick(20 * time.Millisecond) {
			fmt.Printf("calls %d\n", calls.Load())
		}
	}()
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	ended.Store(true)
	workers.Wait()
	fmt.Printf("ended %d\n", calls.Load())
}

// Two messages with a moment between them, so that there is always a call that a server has to let finish.
func slowly(client simple.SimpleClient, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	stream, err := client.RouteClientStream(ctx)
	if err != nil {
		return err
	}
	_ = stream.Send(&simple.SimpleRequest{Data: text})
	time.Sleep(5 * time.Millisecond)
	_ = stream.Send(&simple.SimpleRequest{Data: text})
	response, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	return equal("summary", response.Value, fmt.Sprintf("2 %d", 2*len(text)))
}

func main() {
	args := os.Args[1:]
	if args[0] == "--until-end" {
		untilEnd(strings.Split(args[1], ","))
		return
	}
	transport := insecure.NewCredentials()
	if len(args) > 1 && args[1] == "--tls" {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(must(os.ReadFile(args[2])))
		config := &tls.Config{RootCAs: roots}
		if len(args) > 3 {
			config.Certificates = []tls.Certificate{must(tls.LoadX509KeyPair(args[4], args[5]))}
		}
		transport = credentials.NewTLS(config)
	}
	connection := must(grpc.NewClient(args[0], grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<24), grpc.MaxCallSendMsgSize(1<<24))))
	client := simple.NewSimpleClient(connection)
	for _, one := range tries {
		if err := one.try(client); err != nil {
			fmt.Printf("failed %s: %v\n", one.name, strings.ReplaceAll(err.Error(), "\n", "; "))
		} else {
			fmt.Printf("ok %s\n", one.name)
		}
	}
}
