// The benchmark's client on grpc-go: `load <address>`. Reads orders as lines of JSON, like bench/client.ts, and answers
// each with one.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"connectlb/simple"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

const (
	streamMessages = 1000
	bidiTurns      = 16
)

type order struct {
	Do        string            `json:"do"`
	Kind      string            `json:"kind"`
	InFlight  int               `json:"inFlight"`
	Ms        int               `json:"ms"`
	TimeoutMs int               `json:"timeoutMs"`
	Headers   map[string]string `json:"headers"`
}

type measurement struct {
	CallsPerSecond float64 `json:"callsPerSecond"`
	P50Ms          float64 `json:"p50Ms"`
	P99Ms          float64 `json:"p99Ms"`
	CPUUsPerCall   float64 `json:"cpuUsPerCall"`
	Calls          int     `json:"calls"`
}

func check(what string, got, wanted int) error {
	if got != wanted {
		return fmt.Errorf("expected %d %s, got %d", wanted, what, got)
	}
	return nil
}

func call(client simple.SimpleClient, o order, text string) error {
	ctx := context.Background()
	if o.TimeoutMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(o.TimeoutMs)*time.Millisecond)
		defer cancel()
	}
	for name, value := range o.Headers {
		ctx = metadata.AppendToOutgoingContext(ctx, name, value)
	}
	request := &simple.SimpleRequest{Data: text}
	switch {
	case strings.HasPrefix(o.Kind, "server-stream"):
		stream, err := client.RouteServerStream(ctx, request)
		if err != nil {
			return err
		}
		count := 0
		for ; ; count++ {
			response, err := stream.Recv()
			if err == io.EOF {
				return check("messages", count, streamMessages)
			}
			if err != nil {
				return err
			}
			if err := check("characters", len(response.Value), len(text)); err != nil {
				return err
			}
		}
	case strings.HasPrefix(o.Kind, "bidi"):
		stream, err := client.RouteBidiStream(ctx)
		if err != nil {
			return err
		}
		for range bidiTurns {
			if err := stream.Send(request); err != nil {
				return err
			}
			if _, err := stream.Recv(); err != nil {
				return err
			}
		}
		_ = stream.CloseSend()
		if _, err := stream.Recv(); err != io.EOF {
			return fmt.Errorf("expected the end, got %v", err)
		}
		return nil
	}
	response, err := client.Route(ctx, request)
	if err != nil {
		return err
	}
	return check("characters", len(response.Value), len(text))
}

func cpuUs() float64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	us := func(t syscall.Timeval) float64 { return float64(t.Sec)*1e6 + float64(t.Usec) }
	return us(usage.Utime) + us(usage.Stime)
}

func run(client simple.SimpleClient, o order) (measurement, error) {
	length := 16
	if strings.HasSuffix(o.Kind, "4KiB") {
		length = 4096
	}
	text := strings.Repeat("x", length)
	latencies := make([][]float64, o.InFlight)
	failures := make([]error, o.InFlight)
	var workers sync.WaitGroup
	cpu, start := cpuUs(), time.Now()
	end := start.Add(time.Duration(o.Ms) * time.Millisecond)
	for i := range o.InFlight {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for from := time.Now(); from.Before(end); {
				if err := call(client, o, text); err != nil {
					failures[i] = err
					return
				}
				now := time.Now()
				latencies[i] = append(latencies[i], float64(now.Sub(from).Nanoseconds())/1e6)
				from = now
			}
		}()
	}
	workers.Wait()
	elapsed := time.Since(start).Seconds()
	cpu = cpuUs() - cpu
	for _, err := range failures {
		if err != nil {
			return measurement{}, err
		}
	}
	var all []float64
	for _, some := range latencies {
		all = append(all, some...)
	}
	sort.Float64s(all)
	count := float64(len(all))
	return measurement{count / elapsed, all[len(all)/2], all[len(all)*99/100], cpu / count, len(all)}, nil
}

func main() {
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	client := simple.NewSimpleClient(connection)
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode(map[string]bool{"ready": true})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			log.Fatal(err)
		}
		if o.Do == "close" {
			return
		}
		if result, err := run(client, o); err != nil {
			_ = out.Encode(map[string]string{"error": err.Error()})
		} else {
			_ = out.Encode(result)
		}
	}
}
