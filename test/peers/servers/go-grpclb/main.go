// A balancer of grpc.lb.v1 on grpc-go's own messages: go-grpclb ADDRESS… prints where it listens, then the name that
// each client asks for and what it reports. Its list has a drop after the servers, whose tokens are token-0, token-1 …
package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	lb "google.golang.org/grpc/balancer/grpclb/grpc_lb_v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

type balancer struct {
	lb.UnimplementedLoadBalancerServer
	servers []*lb.Server
}

func (b balancer) BalanceLoad(stream grpc.BidiStreamingServer[lb.LoadBalanceRequest, lb.LoadBalanceResponse]) error {
	request, err := stream.Recv()
	if err != nil {
		return err
	}
	fmt.Println("name", request.GetInitialRequest().GetName())
	initial := &lb.InitialLoadBalanceResponse{ClientStatsReportInterval: durationpb.New(time.Second)}
	if err := stream.Send(&lb.LoadBalanceResponse{
		LoadBalanceResponseType: &lb.LoadBalanceResponse_InitialResponse{InitialResponse: initial},
	}); err != nil {
		return err
	}
	if err := stream.Send(&lb.LoadBalanceResponse{
		LoadBalanceResponseType: &lb.LoadBalanceResponse_ServerList{ServerList: &lb.ServerList{Servers: b.servers}},
	}); err != nil {
		return err
	}
	for {
		request, err := stream.Recv()
		if err != nil {
			fmt.Println("end")
			return err
		}
		stats := request.GetClientStats()
		dropped := int64(0)
		for _, drop := range stats.CallsFinishedWithDrop {
			if drop.LoadBalanceToken == "quota" {
				dropped += drop.NumCalls
			}
		}
		fmt.Println("stats", stats.NumCallsStarted, stats.NumCallsFinished, stats.NumCallsFinishedKnownReceived, dropped)
	}
}

func main() {
	var b balancer
	for i, address := range os.Args[1:] {
		host, portText, _ := net.SplitHostPort(address)
		port, _ := strconv.Atoi(portText)
		token := "token-" + strconv.Itoa(i)
		b.servers = append(b.servers, &lb.Server{IpAddress: net.ParseIP(host).To4(), Port: int32(port), LoadBalanceToken: token})
	}
	b.servers = append(b.servers, &lb.Server{Drop: true, LoadBalanceToken: "quota"})
	server := grpc.NewServer()
	lb.RegisterLoadBalancerServer(server, b)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	log.Fatal(server.Serve(listener))
}
