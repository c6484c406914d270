// A server of the demo service on go-micro's gRPC, registered in etcd by go-micro's registry, and a client that finds
// services there: go-micro ETCD SERVICE prints "listening ADDRESS" once it is registered, then each change that its registry
// sees, as "create NAME ADDRESS". Each line on standard input is a service's name, which it looks up and calls once: the
// answer is printed, after "answer" or "error". The end of the input ends it.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"time"

	microclient "github.com/go-micro/plugins/v4/client/grpc"
	"github.com/go-micro/plugins/v4/registry/etcd"
	microserver "github.com/go-micro/plugins/v4/server/grpc"
	"go-micro.dev/v4/client"
	"go-micro.dev/v4/logger"
	"go-micro.dev/v4/registry"
	"go-micro.dev/v4/selector"
	"go-micro.dev/v4/server"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Simple serves proto.Simple. Its messages are others with the same fields on the wire, so that nothing is generated: a
// string of number 1, and a code and a text of numbers 1 and 2.
type Simple struct{ address string }

func (s *Simple) Route(_ context.Context, request *wrapperspb.StringValue, response *status.Status) error {
	response.Code, response.Message = 200, s.address+" heard "+request.Value
	return nil
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	etcdAddress, name := os.Args[1], os.Args[2]
	check(logger.Init(logger.WithLevel(logger.ErrorLevel)))
	services := etcd.NewRegistry(registry.Addrs(etcdAddress))

	changes, err := services.Watch()
	check(err)
	go func() {
		for {
			change, err := changes.Next()
			if err != nil {
				return
			}
			for _, node := range change.Service.Nodes {
				fmt.Println(change.Action, change.Service.Name, node.Address)
			}
		}
	}()

	service := &Simple{}
	srv := microserver.NewServer(
		server.Name(name),
		server.Address("127.0.0.1:0"),
		server.Registry(services),
		server.RegisterTTL(90*time.Second),
		server.Metadata(map[string]string{"team": "<a>"}),
	)
	check(srv.Handle(srv.NewHandler(service)))
	check(srv.Start())
	service.address = srv.Options().Address
	fmt.Println("listening", service.address)

	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		// A client of its own: what another has looked up, it keeps for a minute if it misses the removal.
		lookup := selector.NewSelector(selector.Registry(services))
		caller := microclient.NewClient(client.Registry(services), client.Selector(lookup))
		response := &status.Status{}
		request := caller.NewRequest(lines.Text(), "/proto.Simple/Route", wrapperspb.String("go-micro"))
		if err := caller.Call(context.Background(), request, response); err != nil {
			fmt.Println("error", err)
		} else {
			fmt.Println("answer", response.Message)
		}
	}
	check(srv.Stop())
}
