package sysudf

import (
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// Functions are all of them, by the paths that clients use (convex-cli §2.3).
func Functions() map[string]udf.SystemFunction {
	return map[string]udf.SystemFunction{
		"_system/cli/auditLogs:list":                    {Kind: udf.Query, Run: auditLogs},
		"_system/cli/convexUrl:cloudUrl":                {Kind: udf.Query, Run: cloudURL},
		"_system/cli/convexUrl:siteUrl":                 {Kind: udf.Query, Run: siteURL},
		"_system/cli/exports:getLatest":                 {Kind: udf.Query, Run: latestExport},
		"_system/cli/modules:apiSpec":                   {Kind: udf.Query, Run: apiSpec},
		"_system/cli/queryEnvironmentVariables:default": {Kind: udf.Query, Run: environmentVariables},
		"_system/cli/queryEnvironmentVariables:get":     {Kind: udf.Query, Run: environmentVariable},
		"_system/cli/queryImport:default":               {Kind: udf.Query, Run: importState},
		"_system/cli/queryImport:list":                  {Kind: udf.Query, Run: imports},
		"_system/cli/queryTable:default":                {Kind: udf.Query, Run: watchTable},
		"_system/cli/stagedValidators:list":             {Kind: udf.Query, Run: stagedValidators},
		"_system/cli/tableData:default":                 {Kind: udf.Query, Run: tableData},
		"_system/cli/tableSize:default":                 {Kind: udf.Query, Run: tableSize},
		"_system/cli/tables:default":                    {Kind: udf.Query, Run: tables},
		"_system/frontend/components:list":              {Kind: udf.Query, Run: components},
		"_system/frontend/getSchemas:default":           {Kind: udf.Query, Run: schemas},
	}
}

// text reads an argument that must be a string.
func text(c *udf.SystemCtx, name string) (string, error) {
	v, _ := c.Args.Get(name)
	s, ok := v.(value.String)
	if !ok {
		return "", apierr.New(apierr.BadRequest, "InvalidArgument", "The argument `%s` must be a string.", name)
	}
	return string(s), nil
}

// userTable reads an argument that names a table of the user.
func userTable(c *udf.SystemCtx, name string) (string, error) {
	table, err := text(c, name)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(table, "_") {
		return "", apierr.New(apierr.BadRequest, "InvalidTable", "The table %q is a system table, which this function does not show.", table)
	}
	return table, nil
}

// object makes an object of names and values in turn.
func object(pairs ...any) value.Object {
	fields := make([]value.Field, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		fields = append(fields, value.Field{Name: pairs[i].(string), Value: pairs[i+1].(value.Value)})
	}
	return value.ObjectOf(fields...)
}
