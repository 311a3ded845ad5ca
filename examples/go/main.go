// A service in Go that checks tokens with golang-jwt, and its client, which gets them with x/oauth2.
//
//	go run . serve    the service
//	go run . call     the client
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

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2/clientcredentials"
)

const audience = "https://billing.acme.example"

var issuer = env("ISSUER", "http://localhost:8080")

func main() {
	switch strings.Join(os.Args[1:], " ") {
	case "serve":
		serve()
	case "call":
		call()
	default:
		fmt.Println("serve or call")
		os.Exit(2)
	}
}

func serve() {
	keys := &keySet{url: issuer + "/.well-known/jwks.json"}
	http.HandleFunc("GET /invoices/{id}", func(w http.ResponseWriter, r *http.Request) {
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
		fmt.Fprintf(w, "invoice %s for %s\n", r.PathValue("id"), claims.Subject)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:"+env("PORT", "3000"))
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

func call() {
	config := clientcredentials.Config{
		ClientID:       "orders",
		ClientSecret:   secret(),
		TokenURL:       issuer + "/token",
		EndpointParams: url.Values{"audience": {audience}},
	}
	service := env("SERVICE", "http://127.0.0.1:3000")
	show(config.Client(context.Background()), service+"/invoices/7", "")
	show(http.DefaultClient, service+"/invoices/7", "without a token: ")
}

func show(client *http.Client, url string, before string) {
	response, err := client.Get(url)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Printf("%s%d %s", before, response.StatusCode, body)
}

func secret() string {
	if given := os.Getenv("ORDERS_SECRET"); given != "" {
		return given
	}
	text, err := os.ReadFile("../../.countersign/demo/orders.secret")
	if err != nil {
		panic(err)
	}
	return string(text)
}

func env(name, usual string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return usual
}
