// bsm/grpclb's own balancer, for one target: look-aside TARGET ADDRESS… prints where it listens.
package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"github.com/bsm/grpclb/balancer"
	balancerpb "github.com/bsm/grpclb/grpclb_balancer_v1"
	"google.golang.org/grpc"
)

type fixed struct {
	target    string
	addresses []string
}

func (f fixed) Resolve(target string) ([]string, error) {
	if target != f.target {
		return nil, nil
	}
	return append([]string(nil), f.addresses...), nil
}

func main() {
	config := &balancer.Config{}
	config.LoadReport.Interval = 100 * time.Millisecond
	server := grpc.NewServer()
	balancerpb.RegisterLoadBalancerServer(server, balancer.New(fixed{os.Args[1], os.Args[2:]}, config))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	log.Fatal(server.Serve(listener))
}
