package authkit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Error is a refusal of the identity service.
type Error struct {
	Status  int
	Code    string // such as "invalid_grant"
	Message string
}

// Error is part of error.
func (e *Error) Error() string {
	return fmt.Sprintf("authkit: the identity service answered %d %s: %s", e.Status, e.Code, e.Message)
}

// maxAnswer bounds an answer of the identity service, in bytes.
const maxAnswer = 1 << 20

// call posts JSON to the identity service and decodes its answer.
func (k *Kit) call(ctx context.Context, path string, body map[string]any, out any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("authkit: %s: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, k.cfg.APIURL+path, bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("authkit: %s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+k.cfg.APIKey)
	res, err := k.cfg.HTTPClient.Do(req)
	if err != nil {
		return fmt.Errorf("authkit: the identity service cannot be reached: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("authkit: %s: %w", path, err)
	}
	if res.StatusCode/100 != 2 {
		var e struct {
			Code             string `json:"code"`
			Message          string `json:"message"`
			Err              string `json:"error"`
			ErrorDescription string `json:"error_description"`
		}
		_ = json.Unmarshal(answer, &e) // a body that is no JSON leaves the status
		if e.Code == "" {
			e.Code, e.Message = e.Err, e.ErrorDescription
		}
		return &Error{Status: res.StatusCode, Code: e.Code, Message: e.Message}
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("authkit: %s answered what is no JSON: %w", path, err)
	}
	return nil
}

// authentication is the answer to a grant (workos-api.md §1.6).
type authentication struct {
	User struct {
		ID                string            `json:"id"`
		Email             string            `json:"email"`
		EmailVerified     bool              `json:"email_verified"`
		FirstName         *string           `json:"first_name"`
		LastName          *string           `json:"last_name"`
		ProfilePictureURL *string           `json:"profile_picture_url"`
		Locale            *string           `json:"locale"`
		ExternalID        *string           `json:"external_id"`
		Metadata          map[string]string `json:"metadata"`
		LastSignInAt      *string           `json:"last_sign_in_at"`
		CreatedAt         string            `json:"created_at"`
		UpdatedAt         string            `json:"updated_at"`
	} `json:"user"`
	AccessToken          string        `json:"access_token"`
	RefreshToken         string        `json:"refresh_token"`
	Impersonator         *Impersonator `json:"impersonator"`
	AuthenticationMethod string        `json:"authentication_method"`
}

// grant asks for tokens.
func (k *Kit) grant(ctx context.Context, kind string, more map[string]any) (*sealedSession, error) {
	more["grant_type"], more["client_id"], more["client_secret"] = kind, k.cfg.ClientID, k.cfg.APIKey
	var a authentication
	if err := k.call(ctx, "/user_management/authenticate", more, &a); err != nil {
		return nil, err
	}
	if a.AccessToken == "" || a.RefreshToken == "" {
		return nil, fmt.Errorf("authkit: the identity service answered without tokens")
	}
	u := a.User
	return &sealedSession{
		AccessToken: a.AccessToken, RefreshToken: a.RefreshToken, Impersonator: a.Impersonator, AuthenticationMethod: a.AuthenticationMethod,
		User: sealedUser{Object: "user", ID: u.ID, Email: u.Email, EmailVerified: u.EmailVerified, FirstName: u.FirstName, LastName: u.LastName,
			ProfilePictureURL: u.ProfilePictureURL, Locale: u.Locale, ExternalID: u.ExternalID, Metadata: u.Metadata,
			LastSignInAt: u.LastSignInAt, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt},
	}, nil
}

// APIKey is a key of an organization or user of the application, for programs.
type APIKey struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Obfuscated  string   `json:"obfuscated_value"`
	Permissions []string `json:"permissions"`
	Owner       struct {
		Type           string `json:"type"` // "organization" or "user"
		ID             string `json:"id"`
		OrganizationID string `json:"organization_id"`
	} `json:"owner"`
}

// ValidateAPIKey finds out whose key a program has sent; nil if nobody's.
func (k *Kit) ValidateAPIKey(ctx context.Context, value string) (*APIKey, error) {
	if value == "" {
		return nil, nil
	}
	var a struct {
		APIKey *APIKey `json:"api_key"`
	}
	err := k.call(ctx, "/api_keys/validations", map[string]any{"value": value}, &a)
	return a.APIKey, err
}
