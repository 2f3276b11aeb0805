package doctor

import (
	"bufio"
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// Ports of a network HSM: NTLS carries the key traffic, SSH only the
// administration.
const (
	portNTLS = "1792"
	portSSH  = "22"
)

const dialTime = 3 * time.Second

// network tries the ports of the servers that the vendor's client is
// configured for.
func (v *visit) network(ctx context.Context, s vault.SKS) {
	for _, host := range v.servers(s) {
		address := host
		if _, _, err := net.SplitHostPort(host); err != nil {
			address = net.JoinHostPort(host, portNTLS)
		}
		if err := dial(ctx, address); err != nil {
			v.fail("network", fault.Wrap(fault.Unreachable, err, "reach the HSM's server"))
		} else {
			v.ok("network", address+" answers")
		}
		if s.Type != sks.Luna {
			continue
		}
		name, _, _ := net.SplitHostPort(address)
		if err := dial(ctx, net.JoinHostPort(name, portSSH)); err != nil {
			v.warn("network", "the HSM's administration port does not answer: "+err.Error(), "only its administration needs it")
		}
	}
}

func dial(ctx context.Context, address string) error {
	d := net.Dialer{Timeout: dialTime}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return c.Close()
}

// maxClientConf bounds a vendor's configuration file.
const maxClientConf = 1 << 20

// servers finds the network addresses in the vendor's client configuration:
// Chrystoki.conf of a Luna ($ChrystokiConfigurationPath is a folder), the
// environment of a ProtectServer.
func (v *visit) servers(s vault.SKS) []string {
	switch s.Type {
	case sks.Luna:
		dir, ok := v.LookupEnv("ChrystokiConfigurationPath")
		if !ok {
			dir = "/etc"
		}
		f, err := durable.OpenFile(filepath.Join(dir, "Chrystoki.conf"))
		if err != nil {
			return nil
		}
		defer f.Close()
		return lunaServers(io.LimitReader(f, maxClientConf))
	case sks.ProtectServer:
		list, _ := v.LookupEnv("ET_HSM_NETCLIENT_SERVERLIST")
		return strings.Fields(list)
	}
	return nil
}

// lunaServers reads lines such as "ServerName00 = 10.0.0.5;" and their
// "ServerPort00 = 1792;".
func lunaServers(r io.Reader) []string {
	names, ports := []string{}, map[string]string{}
	lines := bufio.NewScanner(r)
	var order []string
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), "=")
		if !ok {
			continue
		}
		key, value = strings.TrimSpace(key), strings.Trim(strings.TrimSpace(value), "; ")
		if n, ok := strings.CutPrefix(key, "ServerName"); ok && value != "" {
			order, names = append(order, n), append(names, value)
		} else if n, ok := strings.CutPrefix(key, "ServerPort"); ok {
			ports[n] = value
		}
	}
	for i, n := range order {
		if port := ports[n]; port != "" {
			names[i] = net.JoinHostPort(names[i], port)
		}
	}
	return names
}
