package deploy

import (
	"encoding/json"
	"strings"

	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/scheduler"
)

// cronsModule is the module whose default export says what is to run regularly.
const cronsModule = "crons.js"

// readCrons reads the cron jobs of an app and finds the functions they call.
func (in *inspected) readCrons(info isolate.ModuleInfo) error {
	if info.Crons == "" {
		return bad("InvalidCron", "%sThe default export of convex/crons.ts must be made by cronJobs() of \"convex/server\".", prefix)
	}
	specs, err := scheduler.ParseCrons([]byte(info.Crons))
	if err != nil {
		return prefixed(err)
	}
	for i := range specs {
		s := &specs[i]
		path, export, ok := strings.Cut(s.Spec.Path, ":")
		if !ok {
			export = "default"
		}
		path = strings.TrimSuffix(path, ".js") + ".js"
		kind := ""
		if m := in.functions[path]; m != nil {
			for _, f := range m.Functions {
				if f.Name == export {
					kind = f.UDFType
				}
			}
		}
		switch kind {
		case "Mutation", "Action":
		case "":
			return bad("InvalidCron", "%sThe cron job %q calls the function %q, which does not exist.", prefix, clip(s.Identifier), clip(s.Spec.Path))
		default:
			return bad("InvalidCron", "%sThe cron job %q calls %q, which is defined as %s. Only mutations and actions can run as cron jobs.",
				prefix, clip(s.Identifier), clip(s.Spec.Path), kind)
		}
		s.Spec.Path = path + ":" + export
	}
	in.crons = specs
	if m := in.functions[cronsModule]; m != nil {
		if m.CronSpecs, err = json.Marshal(specs); err != nil {
			return err
		}
	}
	return nil
}
