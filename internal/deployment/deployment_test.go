package deployment_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/deployment"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/udf"
)

// open opens a deployment and runs it until the returned function is called.
func open(t *testing.T, engine *isolate.Engine, name, dir string) (*deployment.Deployment, func()) {
	t.Helper()
	d, err := deployment.Open(t.Context(), deployment.Config{
		Name: name, Dir: dir, Secret: []byte("a secret of sixteen bytes or more"), Engine: engine,
		CloudURL: "http://127.0.0.1:3210", SiteURL: "http://127.0.0.1:3211", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	return d, func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDeploymentKeepsVariablesAndKeysOverRestarts(t *testing.T) {
	t.Parallel()
	engine, err := isolate.Open(isolate.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	dir, ctx := t.TempDir(), t.Context()
	variables := func(d *deployment.Deployment) (env map[string]string) {
		t.Helper()
		if err := d.DB.View(ctx, func(tx *database.Tx) (err error) {
			env, err = udf.Environment(ctx, tx)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return env
	}
	d, end := open(t, engine, "calm-wren-100", dir)
	key := d.Admin.Key()
	if err := d.EnsureVariables(ctx, map[string]string{"A": "1", "B": "2"}); err != nil {
		t.Fatal(err)
	}
	if got := variables(d); got["A"] != "1" || got["B"] != "2" {
		t.Errorf("variables = %v", got)
	}
	end()
	d, end = open(t, engine, "calm-wren-100", dir)
	defer end()
	if err := d.EnsureVariables(ctx, map[string]string{"A": "another", "C": "3"}); err != nil {
		t.Fatal(err)
	}
	if got := variables(d); got["A"] != "1" || got["C"] != "3" {
		t.Errorf("variables = %v", got)
	}
	if d.Admin.Key() != key {
		t.Error("the admin key changed")
	}
	if _, err := d.Gate.Key(ctx, key); err != nil {
		t.Errorf("its own key is refused: %v", err)
	}
	other, endOther := open(t, engine, "calm-wren-101", "")
	defer endOther()
	if other.Admin.Key() == key {
		t.Error("two deployments share a key")
	}
	if _, err := other.Gate.Key(ctx, key); err == nil {
		t.Error("a deployment takes another's key")
	}
}
