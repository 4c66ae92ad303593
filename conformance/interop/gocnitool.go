// What cnitool is in Go: a runtime's side of CNI, all of it libcni's. `add`, `check` or `del`, a network's name, a network
// namespace; NETCONFPATH, CNI_PATH, CAP_ARGS and CNI_ARGS are cnitool's too, and so is the container's ID.
//
// It is here because Debian's package of libcni comes without cnitool, and nothing but Debian's packages is fetched.
package main

import (
	"context"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/libcni"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(command, network, netns string) error {
	list, err := libcni.LoadConfList(os.Getenv("NETCONFPATH"), network)
	if err != nil {
		return err
	}
	attachment := &libcni.RuntimeConf{
		ContainerID: fmt.Sprintf("cnitool-%x", sha512.Sum512([]byte(netns)))[:28],
		NetNS:       netns,
		IfName:      "eth0",
	}
	if text := os.Getenv("CAP_ARGS"); text != "" {
		if err := json.Unmarshal([]byte(text), &attachment.CapabilityArgs); err != nil {
			return err
		}
	}
	for _, pair := range strings.Split(os.Getenv("CNI_ARGS"), ";") {
		if key, value, found := strings.Cut(pair, "="); found {
			attachment.Args = append(attachment.Args, [2]string{key, value})
		}
	}
	cni := libcni.NewCNIConfig(filepath.SplitList(os.Getenv("CNI_PATH")), nil)
	switch command {
	case "add":
		result, err := cni.AddNetworkList(context.TODO(), list, attachment)
		if err != nil {
			return err
		}
		return result.Print()
	case "check":
		return cni.CheckNetworkList(context.TODO(), list, attachment)
	case "del":
		return cni.DelNetworkList(context.TODO(), list, attachment)
	}
	return fmt.Errorf("no such command: %s", command)
}
