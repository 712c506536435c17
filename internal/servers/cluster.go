package servers

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// RedisCluster starts the three nodes of a Redis Cluster without replicas, and
// waits until each serves its third of the slots.
func RedisCluster(t testing.TB, args ...string) []*Server {
	t.Helper()
	const size, slots = 3, 16384
	nodes := make([]*Server, size)
	for i := range nodes {
		nodes[i] = start(t, redis, append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "60000"}, args...)...)
		add := []string{"CLUSTER", "ADDSLOTS"}
		for slot := i * slots / size; slot < (i+1)*slots/size; slot++ {
			add = append(add, strconv.Itoa(slot))
		}
		nodes[i].Command(add...)
		nodes[i].Command("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i > 0 {
			nodes[0].Command("CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(nodes[i].port))
		}
	}
	for _, node := range nodes {
		node.waitFor([]string{"CLUSTER", "INFO"}, "cluster_state:ok", "cluster_slots_ok:"+strconv.Itoa(slots), "cluster_known_nodes:"+strconv.Itoa(size))
	}
	return nodes
}

// waitFor waits until the answer to a command has all the texts in it.
func (s *Server) waitFor(args []string, texts ...string) {
	s.t.Helper()
	err := until(func() error {
		answer, err := s.try(args...)
		if err != nil {
			return err
		}
		for _, text := range texts {
			if !strings.Contains(answer, text) {
				return fmt.Errorf("%q is not in %q", text, answer)
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatalf("servers: %q: %v", args, err)
	}
}
