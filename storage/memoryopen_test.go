package storage_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
)

func openMemory(t *testing.T, url string) *storage.Memory {
	t.Helper()
	s, err := storage.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	m := s.Bytes().(*storage.Memory)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func TestOpenMemory(t *testing.T) {
	a, b := openMemory(t, "memory://"), openMemory(t, "memory://")
	setKeys(t, a, "a")
	wantHolds(t, b, "")
	small := openMemory(t, fmt.Sprintf("memory://?capacity=%d", 3*(storage.RecordCost+2)))
	setKeys(t, small, "a", "b", "c", "d")
	wantHolds(t, small, "bcd")
}

func TestOpenMemoryRefuses(t *testing.T) {
	for url, want := range map[string]string{
		"memory://?capacity=0":     "capacity",
		"memory://?capacity=1":     "",
		"memory://?size=1":         "size",
		"memory://user@name":       "user and password",
		"memory://:secret@name":    "user and password",
		"memory://name?capacity=x": "capacity",
	} {
		s, err := storage.Open(t.Context(), url)
		if err == nil {
			_ = s.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
	if s, err := storage.Open(t.Context(), "memory://name?capacity=5000"); err != nil { // nothing was left open
		t.Error(err)
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenMemoryByName(t *testing.T) {
	first, second, other := openMemory(t, "memory://shared"), openMemory(t, "memory://shared?prefix=x:"), openMemory(t, "memory://shared/other")
	setKeys(t, first, "a")
	wantHolds(t, second, "a")
	wantHolds(t, other, "")
	for range 2 { // the second time it leaves nothing
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := first.Get(t.Context(), "a"); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("one that was closed says %v, want ErrClosed", err)
	}
	wantHolds(t, second, "a")
	third := openMemory(t, "memory://shared")
	wantHolds(t, third, "a")
	if err := errors.Join(second.Close(), third.Close()); err != nil {
		t.Fatal(err)
	}
	if n, _ := second.Held(); n != 0 {
		t.Errorf("after the last has closed it there are %d records", n)
	}
	wantHolds(t, openMemory(t, "memory://shared?capacity=5000"), "") // another one
}

func TestOpenMemoryByNameOfAnotherCapacity(t *testing.T) {
	openMemory(t, "memory://bounded?capacity=5000")
	openMemory(t, "memory://bounded?capacity=5000")
	openMemory(t, "memory://bounded")
	_, err := storage.Open(t.Context(), "memory://bounded?capacity=6000")
	if err == nil || !strings.Contains(err.Error(), "capacity=6000") || !strings.Contains(err.Error(), "5000") {
		t.Errorf("it says %v", err)
	}
	openMemory(t, "memory://unbounded")
	if _, err := storage.Open(t.Context(), "memory://unbounded?capacity=6000"); err == nil || !strings.Contains(err.Error(), fmt.Sprint(storage.DefaultMemoryCapacity)) {
		t.Errorf("it says %v", err)
	}
}

func TestOpenMemoryByNameAtTheSameTime(t *testing.T) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				s, err := storage.Open(t.Context(), "memory://busy")
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Bytes().Set(t.Context(), "a", nil, time.Hour); err != nil {
					t.Error(err)
				}
				if r, err := s.Bytes().Get(t.Context(), "a"); err != nil || !r.Found {
					t.Errorf("what was set is not there: %+v, %v", r, err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	wantHolds(t, openMemory(t, "memory://busy"), "")
}
