// The benchmark's server on grpc-go. Prints where it listens as a line of JSON, and ends with its standard input.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"connectlb/simple"
	"context"

	"google.golang.org/grpc"
)

const streamMessages = 1000

type server struct {
	simple.UnimplementedSimpleServer
}

func answer(value string) *simple.SimpleResponse {
	return &simple.SimpleResponse{Code: 200, Value: value}
}

func (*server) Route(_ context.Context, request *simple.SimpleRequest) (*simple.SimpleResponse, error) {
	return answer(request.Data), nil
}

func (*server) RouteServerStream(request *simple.SimpleRequest, stream grpc.ServerStreamingServer[simple.SimpleResponse]) error {
	for range streamMessages {
		if err := stream.Send(answer(request.Data)); err != nil {
			return err
		}
	}
	return nil
}

func (*server) RouteBidiStream(stream grpc.BidiStreamingServer[simple.SimpleRequest, simple.SimpleResponse]) error {
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(answer(request.Data)); err != nil {
			return err
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer()
	simple.RegisterSimpleServer(s, &server{})
	fmt.Printf("{\"address\":%q,\"pid\":%d}\n", listener.Addr().String(), os.Getpid())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(s.Serve(listener))
}
