// What grpc-go's ring_hash picks: `ring <spec as JSON>`, with how many keys and which endpoints there are. Each endpoint is
// a server on a port of its own. Prints as JSON the address of each endpoint, and for each key ("key 0", "key 1", …) which
// endpoint its call went to.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/balancer/ringhash"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/experimental/balancer/weight"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/resolver/ringhash"
	"google.golang.org/protobuf/types/known/emptypb"
)

type spec struct {
	Keys        int
	MinRingSize int
	MaxRingSize int
	Endpoints   []struct {
		Weight uint32
		Key    string
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	var s spec
	check(json.Unmarshal([]byte(os.Args[1]), &s))
	var endpoints []resolver.Endpoint
	addresses := []string{}
	indices := map[string]int{}
	for i, e := range s.Endpoints {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		check(err)
		// It knows no method: that a call is answered is enough.
		go grpc.NewServer().Serve(listener)
		address := listener.Addr().String()
		addresses = append(addresses, address)
		indices[address] = i
		endpoint := resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}}
		if e.Weight != 0 {
			endpoint = weight.Set(endpoint, weight.EndpointInfo{Weight: e.Weight})
		}
		if e.Key != "" {
			endpoint = ringhash.SetHashKey(endpoint, e.Key)
		}
		endpoints = append(endpoints, endpoint)
	}
	r := manual.NewBuilderWithScheme("list")
	r.InitialState(resolver.State{Endpoints: endpoints})
	config := fmt.Sprintf(
		`{"loadBalancingConfig":[{"ring_hash_experimental":{"minRingSize":%d,"maxRingSize":%d,"requestHashHeader":"x-key"}}]}`,
		s.MinRingSize, s.MaxRingSize)
	conn, err := grpc.NewClient("list:///", grpc.WithResolvers(r), grpc.WithDefaultServiceConfig(config),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	picks := []int{}
	for i := 0; i < s.Keys; i++ {
		var from peer.Peer
		call := metadata.AppendToOutgoingContext(ctx, "x-key", fmt.Sprintf("key %d", i))
		err := conn.Invoke(call, "/no/such", &emptypb.Empty{}, &emptypb.Empty{}, grpc.Peer(&from))
		if from.Addr == nil {
			log.Fatal(err)
		}
		picks = append(picks, indices[from.Addr.String()])
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{"addresses": addresses, "picks": picks}))
}
