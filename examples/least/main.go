// Least is the least program: a slow function, memoized and called.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/perennial-go/perennial/memoize"
)

// capital stands for a slow function: a query, a request, a computation.
func capital(_ context.Context, country string) (string, error) {
	fmt.Println("looking up", country)
	return map[string]string{"Chile": "Santiago", "Kenya": "Nairobi"}[country], nil
}

func main() {
	capitals, err := memoize.New(capital)
	if err != nil {
		log.Fatal(err)
	}
	for _, country := range []string{"Chile", "Kenya", "Chile"} {
		city, err := capitals.Call(context.Background(), country)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(city)
	}
}
