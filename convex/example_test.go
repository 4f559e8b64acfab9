package convex_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/lentil-dev/lentil/convex"
)

func Example() {
	ctx := context.Background()
	client, err := convex.New(exampleURL(), convex.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	if err := client.Mutate(ctx, "app:send", map[string]any{"channel": "general", "body": "hello"}, nil); err != nil {
		log.Fatal(err)
	}
	var list []string
	if err := client.Query(ctx, "app:list", map[string]any{"channel": "general"}, &list); err != nil {
		log.Fatal(err)
	}
	fmt.Println(list)
	// Output: [hello]
}

func ExampleWatch() {
	client, err := convex.New(exampleURL(), convex.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	for n, err := range convex.Watch[int](ctx, client, "app:total", nil) {
		if err != nil {
			log.Print(err) // the query threw; the next result may be a good one
			continue
		}
		fmt.Println("total:", n)
		if n == 2 {
			break
		}
		if err := client.Mutate(ctx, "app:count", nil, nil); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// total: 0
	// total: 1
	// total: 2
}

func ExampleFunctionError() {
	client, err := convex.New(exampleURL(), convex.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	err = client.Query(context.Background(), "app:fail", nil, nil)
	var thrown *convex.FunctionError
	if errors.As(err, &thrown) {
		var why struct{ Why string }
		if err := thrown.Decode(&why); err == nil {
			fmt.Println(thrown.Path, "failed", why.Why)
		}
	}
	// Output: app:fail failed because
}
