// Shows what a program says by channelz, through grpc-go's client: `channelz <address>`. Lists are read in pages of one, and
// fields that tools such as grpcdebug rely on must be there.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	channelz "google.golang.org/grpc/channelz/grpc_channelz_v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func address(a *channelz.Address) string {
	if tcp := a.GetTcpipAddress(); tcp != nil {
		return net.JoinHostPort(net.IP(tcp.IpAddress).String(), fmt.Sprint(tcp.Port))
	}
	return a.String()
}

func created(trace *channelz.ChannelTrace) string {
	if age := time.Since(trace.CreationTimestamp.AsTime()); age < -time.Second || age > time.Hour {
		return fmt.Sprintf("created %v ago", age)
	}
	return "created"
}

func there(times ...*timestamppb.Timestamp) {
	for _, t := range times {
		if t == nil {
			log.Fatal("a time is missing")
		}
	}
}

func socket(ctx context.Context, c channelz.ChannelzClient, id int64) {
	s := must(c.GetSocket(ctx, &channelz.GetSocketRequest{SocketId: id})).Socket
	d := s.Data
	there(d.LastLocalStreamCreatedTimestamp, d.LastRemoteStreamCreatedTimestamp, d.LastMessageSentTimestamp,
		d.LastMessageReceivedTimestamp)
	fmt.Printf("    socket %s -> %s %d/%d/%d windows %t %s\n", address(s.Local), address(s.Remote), d.StreamsStarted,
		d.StreamsSucceeded, d.StreamsFailed, d.LocalFlowControlWindow.Value > 0 && d.RemoteFlowControlWindow.Value > 0,
		s.GetSecurity().GetTls().GetStandardName())
}

func channels(ctx context.Context, c channelz.ChannelzClient) {
	for start, end := int64(0), false; !end; {
		page := must(c.GetTopChannels(ctx, &channelz.GetTopChannelsRequest{StartChannelId: start, MaxResults: 1}))
		end = page.End
		for _, channel := range page.Channel {
			start = channel.Ref.ChannelId + 1
			d := channel.Data
			fmt.Printf("channel %s %s %d/%d/%d %s\n", d.Target, d.State.State, d.CallsStarted, d.CallsSucceeded, d.CallsFailed,
				created(d.Trace))
			for _, event := range d.Trace.Events {
				fmt.Printf("  %s %s\n", event.Severity, event.Description)
			}
			for _, ref := range channel.SubchannelRef {
				request := &channelz.GetSubchannelRequest{SubchannelId: ref.SubchannelId}
				subchannel := must(c.GetSubchannel(ctx, request)).Subchannel
				d := subchannel.Data
				fmt.Printf("  subchannel %s %s %d/%d/%d %s\n", d.Target, d.State.State, d.CallsStarted, d.CallsSucceeded,
					d.CallsFailed, created(d.Trace))
				for _, ref := range subchannel.SocketRef {
					socket(ctx, c, ref.SocketId)
				}
			}
		}
	}
}

func servers(ctx context.Context, c channelz.ChannelzClient) {
	for start, end := int64(0), false; !end; {
		page := must(c.GetServers(ctx, &channelz.GetServersRequest{StartServerId: start, MaxResults: 1}))
		end = page.End
		for _, server := range page.Server {
			start = server.Ref.ServerId + 1
			d := server.Data
			there(d.LastCallStartedTimestamp)
			fmt.Printf("server %d/%d/%d\n", d.CallsStarted, d.CallsSucceeded, d.CallsFailed)
			for _, ref := range server.ListenSocket {
				listening := must(c.GetSocket(ctx, &channelz.GetSocketRequest{SocketId: ref.SocketId})).Socket
				fmt.Printf("  listens on %s\n", address(listening.Local))
			}
			sockets(ctx, c, server.Ref.ServerId)
		}
	}
}

func sockets(ctx context.Context, c channelz.ChannelzClient, serverId int64) {
	for start, end := int64(0), false; !end; {
		request := &channelz.GetServerSocketsRequest{ServerId: serverId, StartSocketId: start, MaxResults: 1}
		page := must(c.GetServerSockets(ctx, request))
		end = page.End
		for _, ref := range page.SocketRef {
			start = ref.SocketId + 1
			socket(ctx, c, ref.SocketId)
		}
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn := must(grpc.NewClient("passthrough:///"+os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials())))
	defer conn.Close()
	c := channelz.NewChannelzClient(conn)
	channels(ctx, c)
	servers(ctx, c)
	if _, err := c.GetChannel(ctx, &channelz.GetChannelRequest{ChannelId: 1 << 40}); status.Code(err) != codes.NotFound {
		log.Fatalf("an unknown channel: %v", err)
	}
}
