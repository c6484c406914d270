// A server of the demo service on grpc-go that reports its load: `loads <name>`. It answers with its name after 3 ms; a
// call that says "hold" is held until its client cancels it. Prints where it listens as a line of JSON, and ends with its
// standard input.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"connectlb/simple"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/orca"
)

var inFlight atomic.Int64

// Every answer reports the other requests in flight, also that of a health check, which is no load itself.
func reportLoad(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	own := int64(1)
	if strings.HasPrefix(info.FullMethod, "/grpc.health.") {
		own = 0
	}
	inFlight.Add(own)
	defer inFlight.Add(-own)
	response, err := handler(ctx, request)
	orca.CallMetricsRecorderFromContext(ctx).SetNamedMetric("rif", float64(inFlight.Load()-own))
	return response, err
}

type server struct {
	simple.UnimplementedSimpleServer
	name string
}

func (s *server) Route(ctx context.Context, request *simple.SimpleRequest) (*simple.SimpleResponse, error) {
	if request.Data == "hold" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	time.Sleep(3 * time.Millisecond)
	return &simple.SimpleResponse{Code: 200, Value: s.name}, nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer(orca.CallMetricsServerOption(nil), grpc.ChainUnaryInterceptor(reportLoad))
	simple.RegisterSimpleServer(s, &server{name: os.Args[1]})
	healthpb.RegisterHealthServer(s, health.NewServer())
	fmt.Printf("{\"address\":%q,\"pid\":%d}\n", listener.Addr().String(), os.Getpid())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(s.Serve(listener))
}
