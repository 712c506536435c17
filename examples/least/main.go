// Least is the least program: a slow function, memoized and called.
package main

import (
	"context"
	"fmt"

	"github.com/perennial-go/perennial/memoize"
)

// capital stands for a slow function: a query, a request, a computation.
func capital(_ context.Context, country string) (string, error) {
	fmt.Println("looking up", country)
	return map[string]string{"Chile": "Santiago", "Kenya": "Nairobi"}[country], nil
}

func main() {
	capitals := memoize.Must(memoize.New(capital))
	for _, country := range []string{"Chile", "Kenya", "Chile"} {
		city, err := capitals.Call(context.Background(), country)
		fmt.Println(city, err)
	}
}
