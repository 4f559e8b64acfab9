package platform

import (
	"fmt"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/value"
)

// sealAPIKey is the purpose under which API keys are sealed.
const sealAPIKey = "platform: api key of a deployment's environment"

// encode writes a deployment's fields.
func (s *Service) encode(d *Deployment) identity.Row {
	r := identity.Row{
		identity.Text("name", d.Name), identity.Text("kind", d.Kind), identity.Number("project", d.Project), identity.Text("reference", d.Reference),
		identity.Flag("default", d.Default), identity.Flag("home", d.Home), identity.Flag("prepared", d.Prepared), identity.Flag("awake", d.Awake), identity.Flag("deleting", d.Deleting), identity.Text("creator", d.Creator),
		identity.Time("created", d.Created), identity.Time("expires", d.Expires), identity.Time("due", d.Due),
		identity.Text("environment", d.Environment), identity.Text("client", d.Client),
		{Name: "ports", Value: value.NewObject(map[string]value.Value{
			"deployment": value.Float64(d.Ports.Deployment), "site": value.Float64(d.Ports.Site),
			"authKit": value.Float64(d.Ports.AuthKit), "control": value.Float64(d.Ports.Control), "vendorTLS": value.Float64(d.Ports.VendorTLS),
		})},
	}
	if d.APIKey != "" {
		r = append(r, identity.Text("apiKey", s.Sealer.Seal(sealAPIKey, []byte(d.APIKey))))
	}
	return r
}

// decode reads what encode wrote, also by older versions.
func (s *Service) decode(r identity.Record) (*Deployment, error) {
	d := &Deployment{
		Name: r.Text("name"), Kind: Kind(r.Text("kind")), Project: int64(r.Number("project")), Reference: r.Text("reference"),
		Default: r.Flag("default"), Home: r.Flag("home"), Prepared: r.Flag("prepared"), Awake: r.Flag("awake"), Deleting: r.Flag("deleting"), Creator: OperatorID(r.Text("creator")),
		Created: r.Time("created"), Expires: r.Time("expires"), Due: r.Time("due"),
		Environment: identity.EnvironmentID(r.Text("environment")), Client: identity.ClientID(r.Text("client")),
	}
	if v, _ := r.Fields.Get("ports"); v != nil {
		port := func(name string) int {
			f, _ := value.Path(v, name).(value.Float64)
			return int(f)
		}
		d.Ports = Ports{Deployment: port("deployment"), Site: port("site"), AuthKit: port("authKit"), Control: port("control"), VendorTLS: port("vendorTLS")}
	}
	if sealed := r.Text("apiKey"); sealed != "" {
		key, err := s.openKey(sealed)
		if err != nil {
			return nil, fmt.Errorf("the API key of %s cannot be read with this house's secret: %w", d.Name, err)
		}
		d.APIKey = key
	}
	return d, nil
}

// openKey reads a sealed API key.
func (s *Service) openKey(sealed string) (string, error) {
	b, err := s.Sealer.Open(sealAPIKey, sealed)
	return string(b), err
}
