// A server of the demo service on grpc-go, registered in etcd as Go programs do: `mixed <etcd> <how> <name> <port>`, where
// `how` is `naming` (etcd's own package for grpc-go) or `plain` (an address under /grpclb/). It answers with its name and
// what came. SIGTERM removes the registration, and ends it a moment later, when its calls have ended.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/naming/endpoints"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	service    = "mixed"
	messages   = 3
	ttlSeconds = 5
	settle     = 500 * time.Millisecond
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Messages as bytes: one handler for all methods needs no generated code.
type raw struct{}

func (raw) Name() string                        { return "proto" }
func (raw) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }
func (raw) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = append([]byte(nil), data...)
	return nil
}

// The text of a SimpleRequest.
func text(request []byte) string {
	if len(request) == 0 {
		return ""
	}
	value, _ := protowire.ConsumeBytes(request[1:])
	return string(value)
}

// A SimpleResponse.
func response(value string) *[]byte {
	message := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 200)
	message = protowire.AppendString(protowire.AppendTag(message, 2, protowire.BytesType), value)
	return &message
}

func handler(name string) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		last := ""
		for {
			var request []byte
			err := stream.RecvMsg(&request)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			last = name + ": " + text(request)
			if strings.HasSuffix(method, "RouteBidiStream") {
				if err := stream.SendMsg(response(last)); err != nil {
					return err
				}
			}
		}
		answers := 1
		switch {
		case strings.HasSuffix(method, "RouteBidiStream"):
			answers = 0
		case strings.HasSuffix(method, "RouteServerStream"):
			answers = messages
		}
		for range answers {
			if err := stream.SendMsg(response(last)); err != nil {
				return err
			}
		}
		return nil
	}
}

func main() {
	url, how, name, port := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	listener := must(net.Listen("tcp", "127.0.0.1:"+port))
	address := listener.Addr().String()
	server := grpc.NewServer(grpc.ForceServerCodec(raw{}), grpc.UnknownServiceHandler(handler(name)))
	go func() { check(server.Serve(listener)) }()

	ctx := context.Background()
	client := must(clientv3.New(clientv3.Config{Endpoints: []string{url}, DialTimeout: 5 * time.Second}))
	lease := must(client.Grant(ctx, ttlSeconds))
	if how == "naming" {
		manager := must(endpoints.NewManager(client, service))
		check(manager.AddEndpoint(ctx, service+"/"+address, endpoints.Endpoint{Addr: address}, clientv3.WithLease(lease.ID)))
	} else {
		must(client.Put(ctx, "/grpclb/"+service+"/"+address, address, clientv3.WithLease(lease.ID)))
	}
	renewals := must(client.KeepAlive(ctx, lease.ID))
	go func() {
		for range renewals {
		}
	}()
	fmt.Printf("listening %s %d\n", address, os.Getpid())

	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	<-asked
	_, _ = client.Revoke(ctx, lease.ID)
	time.Sleep(settle)
	server.GracefulStop()
}
