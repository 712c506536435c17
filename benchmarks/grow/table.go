package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// table is a table in Markdown.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print() { t.writeTo(os.Stdout) }

func (t *table) writeTo(w io.Writer) {
	fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(t.head, " | "), strings.Repeat("---|", len(t.head)))
	for _, row := range t.rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
}

// heading begins a part of the output.
func heading(name, about string) { fmt.Printf("\n### %s: %s\n\n", name, about) }
