package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The issuer's public keys. Fetched again when a token names one that is not known, at most every ten seconds.
type keySet struct {
	url     string
	mutex   sync.Mutex
	keys    map[string]*ecdsa.PublicKey
	fetched time.Time
}

func (set *keySet) find(token *jwt.Token) (any, error) {
	id, _ := token.Header["kid"].(string)
	set.mutex.Lock()
	defer set.mutex.Unlock()
	if set.keys[id] == nil && time.Since(set.fetched) > 10*time.Second {
		set.fetched = time.Now()
		if err := set.fetch(); err != nil {
			return nil, err
		}
	}
	if key := set.keys[id]; key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("no such key")
}

func (set *keySet) fetch() error {
	response, err := (&http.Client{Timeout: 5 * time.Second}).Get(set.url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var found struct {
		Keys []struct{ Kid, Kty, Crv, X, Y string }
	}
	if err := json.NewDecoder(response.Body).Decode(&found); err != nil {
		return err
	}
	set.keys = map[string]*ecdsa.PublicKey{}
	for _, key := range found.Keys {
		if key.Kty == "EC" && key.Crv == "P-256" {
			set.keys[key.Kid] = &ecdsa.PublicKey{Curve: elliptic.P256(), X: number(key.X), Y: number(key.Y)}
		}
	}
	return nil
}

func number(text string) *big.Int {
	bytes, _ := base64.RawURLEncoding.DecodeString(text)
	return new(big.Int).SetBytes(bytes)
}
