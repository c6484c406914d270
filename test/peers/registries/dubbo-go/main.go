// Registrations of dubbo-go in etcd, and what dubbo-go finds there: dubbo-go ETCD NAME HOST PORT registers a server of both
// an application and an interface of that name, and prints "registered". A line on standard input, "application NAME" or
// "interface NAME", asks for servers: each is printed as such a line with its address and what is known of it. The end of
// the input takes the application's registration back, which dubbo-go can't do with the interface's, and ends the program.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"dubbo.apache.org/dubbo-go/v3/common"
	"dubbo.apache.org/dubbo-go/v3/common/extension"
	"dubbo.apache.org/dubbo-go/v3/metadata/info"
	"dubbo.apache.org/dubbo-go/v3/registry"
	_ "dubbo.apache.org/dubbo-go/v3/registry/etcdv3"
)

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// What is said of an interface's servers.
type printer struct{ name string }

func (p printer) Notify(event *registry.ServiceEvent) {
	url := event.Service
	fmt.Println("interface", p.name, url.Location, url.Protocol, "weight", url.GetParam("weight", "-"))
}

func (p printer) NotifyAll(events []*registry.ServiceEvent, done func()) {
	for _, event := range events {
		p.Notify(event)
	}
	done()
}

// The URL of an interface's server or, without an address, of a caller.
func url(role int, address, name string) *common.URL {
	text := fmt.Sprintf("tri://%s/%s?interface=%s&registry.role=%d&weight=150", address, name, name, role)
	return must(common.NewURL(text, common.WithMethods([]string{"Route"})))
}

func main() {
	etcd, name, host, port := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	center := must(common.NewURL("etcdv3://" + etcd + "?registry=etcdv3&registry.timeout=5s"))
	interfaces := must(extension.GetRegistry("etcdv3", center))
	center.Protocol = "etcdv3"
	applications := must(extension.GetServiceDiscovery(center))

	instance := &registry.DefaultServiceInstance{
		ID:          host + ":" + port,
		ServiceName: name,
		Host:        host,
		Port:        must(strconv.Atoi(port)),
		Enable:      true,
		Healthy:     true,
		Metadata:    map[string]string{"dubbo.metadata.revision": "1", "team": "<a>"},
		Tag:         "blue",
	}
	instance.SetServiceMetadata(info.NewMetadataInfo(name, "blue"))
	check(applications.Register(instance))
	check(interfaces.Register(url(common.PROVIDER, host+":"+port, name)))
	fmt.Println("registered")

	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		level, name, _ := strings.Cut(lines.Text(), " ")
		if level == "interface" {
			go func() { _ = interfaces.Subscribe(url(common.CONSUMER, "", name), printer{name}) }()
			continue
		}
		found := applications.GetInstances(name)
		for _, instance := range found {
			fmt.Println(
				"application", name, instance.GetHost()+":"+strconv.Itoa(instance.GetPort()), instance.GetAddress(),
				"enabled", instance.IsEnable(), "healthy", instance.IsHealthy(), instance.GetMetadata(),
			)
		}
		fmt.Println("application", name, len(found))
	}
	check(applications.Unregister(instance))
}
