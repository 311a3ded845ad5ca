// A service in Go: it checks its callers' tokens with golang-jwt, and calls billing, which stands behind our guard, with
// tokens of its own from x/oauth2.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const audience = "https://orders.acme.example"

var issuer = env("ISSUER", "http://localhost:8380")

func main() {
	keys := &keySet{url: issuer + "/.well-known/jwks.json"}
	billing := billingClient()
	http.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		claims, err := check(r, keys)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="go"`)
			http.Error(w, "refused", http.StatusUnauthorized)
			return
		}
		if !slices.Contains(claims.Roles, "reader") {
			http.Error(w, "Forbidden", http.StatusForbidden)
			return
		}
		invoice, err := read(billing, r.PathValue("id"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, "order %s for %s; billing: %s\n", r.PathValue("id"), claims.Subject, invoice)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:"+env("PORT", "3101"))
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	panic(http.Serve(listener, nil))
}

type claims struct {
	jwt.RegisteredClaims
	Roles []string `json:"roles"`
}

// What must be said of golang-jwt, since it is not said by itself: one algorithm, whose issuer, for whom, and until when.
func check(r *http.Request, keys *keySet) (*claims, error) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, fmt.Errorf("no token")
	}
	found := &claims{}
	token, err := jwt.ParseWithClaims(text, found, keys.find,
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	if err != nil {
		return nil, err
	}
	if token.Header["typ"] != "at+jwt" {
		return nil, fmt.Errorf("no access token")
	}
	return found, nil
}

// One client for all requests: it keeps its token, and gets another before that ends.
func billingClient() *http.Client {
	config := clientcredentials.Config{
		ClientID:       "orders",
		ClientSecret:   os.Getenv("ORDERS_SECRET"),
		TokenURL:       issuer + "/token",
		EndpointParams: url.Values{"audience": {"https://billing.acme.example"}},
	}
	toIssuer := &http.Client{Timeout: 5 * time.Second}
	client := config.Client(context.WithValue(context.Background(), oauth2.HTTPClient, toIssuer))
	client.Timeout = 5 * time.Second
	return client
}

// The caller learns that billing refused us, and nothing of why.
func read(billing *http.Client, id string) (string, error) {
	response, err := billing.Get(env("BILLING", "http://127.0.0.1:3102") + "/invoices/" + url.PathEscape(id))
	if err != nil {
		return "", fmt.Errorf("billing cannot be asked")
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("billing refused: %d", response.StatusCode)
	}
	return string(body), nil
}

func env(name, usual string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return usual
}
