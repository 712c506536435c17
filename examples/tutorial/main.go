// Tutorial is one service made fast, fresh and safe in seven steps.
package main

import (
	"context"
	"log"
)

// step is the step that runs: change it as you go on.
var step = step1

func main() {
	if err := step(context.Background()); err != nil {
		log.Fatal(err)
	}
}
