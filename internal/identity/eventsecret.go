package identity

import (
	"encoding/json"
	"fmt"
	"maps"
)

// purposeEventSecret binds the seal of what an event keeps to itself.
const purposeEventSecret = "identity event secret"

// recordSecret is Record for an event that tells of a secret. Its data never holds
// that; but where a test environment wants payloads as the official emulator has
// them, they are kept beside it, sealed, for whoever reads or receives the event
// while the environment wants that.
func (tx *Tx) recordSecret(id EnvironmentID, name string, data any, secrets map[string]string) error {
	e, err := tx.Environment(id)
	if err != nil {
		return err
	}
	if !e.Settings.EmulatorPayloads || e.Kind == Production {
		return tx.Record(id, name, data)
	}
	b, err := json.Marshal(secrets)
	if err != nil {
		return fmt.Errorf("identity: encode secrets of event %s: %w", name, err)
	}
	return tx.record(id, name, data, nil, tx.s.Sealer.Seal(purposeEventSecret, b))
}

// reveal adds what an event keeps to itself to its data, if its environment wants
// that now.
func (tx *Tx) reveal(id EnvironmentID, ev *Event) error {
	if ev.sealed == "" {
		return nil
	}
	e, err := tx.Environment(id)
	if err != nil || !e.Settings.EmulatorPayloads || e.Kind == Production {
		return err
	}
	b, err := tx.s.Sealer.Open(purposeEventSecret, ev.sealed)
	if err != nil {
		return fmt.Errorf("identity: unseal event %s: %w", ev.ID, err)
	}
	var data, secrets map[string]json.RawMessage
	if err := json.Unmarshal(ev.Data, &data); err != nil {
		return fmt.Errorf("identity: data of event %s: %w", ev.ID, err)
	}
	if err := json.Unmarshal(b, &secrets); err != nil {
		return fmt.Errorf("identity: secrets of event %s: %w", ev.ID, err)
	}
	maps.Copy(data, secrets)
	ev.Data, err = json.Marshal(data)
	return err
}
