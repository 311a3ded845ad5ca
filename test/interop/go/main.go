// A service in Go, with x/oauth2 for its tokens and golang-jwt for those of its callers, against a running issuer.
//
// Arguments: the issuer's URL, the client's id, its secret, the audience. Prints one line of JSON.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"os"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

type metadata struct {
	Issuer        string `json:"issuer"`
	TokenEndpoint string `json:"token_endpoint"`
	JwksURI       string `json:"jwks_uri"`
}

type keySet struct {
	Keys []struct{ Kid, Kty, Crv, X, Y string } `json:"keys"`
}

func main() {
	issuer, id, secret, audience := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	var found metadata
	get(issuer+"/.well-known/oauth-authorization-server", &found)
	if found.Issuer != issuer {
		fail(fmt.Errorf("issuer is %q", found.Issuer))
	}
	report := map[string]string{}
	for name, style := range map[string]oauth2.AuthStyle{"header": oauth2.AuthStyleInHeader, "params": oauth2.AuthStyleInParams, "detected": oauth2.AuthStyleAutoDetect} {
		config := clientcredentials.Config{
			ClientID: id, ClientSecret: secret, TokenURL: found.TokenEndpoint, AuthStyle: style,
			EndpointParams: url.Values{"audience": {audience}},
		}
		token, err := config.Token(context.Background())
		if err != nil {
			fail(err)
		}
		report[name] = verify(token.AccessToken, found, audience)
		if _, err := parse(token.AccessToken[:len(token.AccessToken)-8]+"AAAAAAAA", found, audience); err == nil {
			fail(fmt.Errorf("a forged token was taken"))
		}
	}
	out, _ := json.Marshal(report)
	fmt.Println(string(out))
}

func verify(text string, found metadata, audience string) string {
	token, err := parse(text, found, audience)
	if err != nil {
		fail(err)
	}
	subject, _ := token.Claims.GetSubject()
	return subject
}

func parse(text string, found metadata, audience string) (*jwt.Token, error) {
	var keys keySet
	get(found.JwksURI, &keys)
	return jwt.Parse(text, func(token *jwt.Token) (any, error) {
		for _, key := range keys.Keys {
			if key.Kid == token.Header["kid"] && key.Kty == "EC" && key.Crv == "P-256" {
				return &ecdsa.PublicKey{Curve: elliptic.P256(), X: number(key.X), Y: number(key.Y)}, nil
			}
		}
		return nil, fmt.Errorf("no key %v", token.Header["kid"])
	}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(found.Issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
}

func number(text string) *big.Int {
	bytes, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		fail(err)
	}
	return new(big.Int).SetBytes(bytes)
}

func get(url string, into any) {
	answer, err := http.Get(url)
	if err != nil {
		fail(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
