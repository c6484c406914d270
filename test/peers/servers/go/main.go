// A server of the demo service on grpc-go that reports its load (ORCA): `reporting <name> <utilization> <calls per second>`.
// It answers with its name. Prints where it listens as a line of JSON, and ends with its standard input.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"time"

	"connectlb/simple"

	"google.golang.org/grpc"
	"google.golang.org/grpc/orca"
)

type server struct {
	simple.UnimplementedSimpleServer
	name             string
	utilization, qps float64
}

func (s *server) Route(ctx context.Context, _ *simple.SimpleRequest) (*simple.SimpleResponse, error) {
	// Answers of handlers that don't ask for the recorder carry no report.
	if recorder := orca.CallMetricsRecorderFromContext(ctx); recorder != nil {
		recorder.SetApplicationUtilization(s.utilization)
		recorder.SetQPS(s.qps)
	}
	return &simple.SimpleResponse{Code: 200, Value: s.name}, nil
}

func number(text string) float64 {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	self := &server{name: os.Args[1], utilization: number(os.Args[2]), qps: number(os.Args[3])}
	s := grpc.NewServer(orca.CallMetricsServerOption(nil))
	simple.RegisterSimpleServer(s, self)
	metrics := orca.NewServerMetricsRecorder()
	metrics.SetApplicationUtilization(self.utilization)
	metrics.SetQPS(self.qps)
	if err := orca.Register(s, orca.ServiceOptions{ServerMetricsProvider: metrics, MinReportingInterval: 30 * time.Second}); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"address\":%q,\"pid\":%d}\n", listener.Addr().String(), os.Getpid())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(s.Serve(listener))
}
