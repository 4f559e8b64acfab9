package sysudf

import (
	"context"

	"github.com/lentil-dev/lentil/internal/backup"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// imports lists the snapshot imports, newest first; `import` looks whether one is
// going on.
func imports(ctx context.Context, c *udf.SystemCtx) (value.Value, error) {
	list, err := backup.Imports(ctx, c.Tx)
	if err != nil {
		return nil, err
	}
	out := make(value.Array, len(list))
	for i, one := range list {
		out[i] = importObject(one)
	}
	return out, nil
}

// importState is the state of one import, which `import` watches; null for one that
// does not exist.
func importState(ctx context.Context, c *udf.SystemCtx) (value.Value, error) {
	id, err := text(c, "importId")
	if err != nil {
		return nil, err
	}
	i, err := backup.FindImport(ctx, c.Tx, id)
	if err != nil || i == nil {
		return value.Null{}, err
	}
	return importObject(i), nil
}

// importObject is an import as clients see it (convex-cli.md §2.3).
func importObject(i *backup.Import) value.Object {
	state := object("state", value.String(i.State))
	switch i.State {
	case "waiting_for_confirmation":
		state = state.With("message_to_confirm", value.String(i.Message)).With("require_manual_confirmation", value.Bool(i.Manual))
	case "in_progress":
		marks := make(value.Array, len(i.Checkpoints))
		for n, m := range i.Checkpoints {
			marks[n] = value.String(m)
		}
		state = state.With("progress_message", value.String(i.Message)).With("checkpoint_messages", marks)
	case "completed":
		state = state.With("num_rows_written", value.Int64(i.Rows))
	case "failed":
		state = state.With("error_message", value.String(i.Message))
	}
	o := object("_id", value.String(i.ID.String()), "_creationTime", value.Float64(i.Created), "state", state,
		"format", object("format", value.String(i.Options.Format)), "mode", value.String(i.Options.Mode))
	if i.Options.Table != "" {
		o = o.With("format", object("format", value.String(i.Options.Format), "table", value.String(i.Options.Table)))
	}
	if i.Options.Component != "" {
		o = o.With("component_path", value.String(i.Options.Component))
	}
	return o
}
