import type { Algorithm, VerificationKey } from '@countersign/sdk/jwt'
import type { Requirement } from '@countersign/sdk/policy'
import type { Secret } from '@countersign/sdk/core'

/**
 * The trust file after reading: every default filled in, every name resolved, every secret loaded, deeply frozen.
 * What issuer, gateway, guard, explain and exports all work from.
 */
export type Trust = {
  /** Where it came from, as the person named it; for messages. */
  readonly file: string
  readonly issuer: IssuerSettings | undefined
  readonly gateway: GatewaySettings | undefined
  /** By name. Issuers other than ours. */
  readonly trusted: ReadonlyMap<string, TrustedIssuer>
  readonly services: ReadonlyMap<string, Service>
  readonly clients: ReadonlyMap<string, Client>
  /** Transaction tokens; undefined: none are issued. */
  readonly transactions?: TransactionSettings | undefined
  /** For those who run it; undefined: no numbers anywhere, no line per request. */
  readonly operations?: OperationsSettings | undefined
  /** Addresses and networks of proxies whose word on the client's address is taken; nobody's unless given. */
  readonly trustedProxies?: readonly string[]
}

export type ListenAddress = { readonly host: string; readonly port: number }

export type IssuerSettings = {
  /** The `iss` claim, exactly. */
  readonly url: string
  readonly listen: ListenAddress
  readonly store: StoreSettings
  readonly keys: {
    readonly algorithm: Algorithm
    readonly rotateEverySeconds: number
    /** How private keys are sealed at rest; undefined only with a memory store or the spelled-out danger. */
    readonly seal: Secret | undefined
    readonly dangerouslyUnsealed: boolean
    /** Undefined: the issuer makes and keeps its keys itself. */
    readonly external?: ExternalKeySettings
  }
  readonly tokens: { readonly lifetimeSeconds: number }
  readonly dpop?: DpopSettings
  /** Undefined: plain http, for a proxy that ends TLS or this machine alone. */
  readonly tls?: TlsSettings
  /** Undefined: no client shows a certificate here. */
  readonly clientCertificates?: ClientCertificateSettings
  /** Where clients with certificates find the token endpoint, when that is another origin (RFC 8705 §5). */
  readonly mtlsUrl?: string
  /** How often tokens may be asked for; undefined: as often as anybody likes. */
  readonly limits?: { readonly client?: RateLimit | undefined; readonly address?: RateLimit | undefined }
  /** The admin API; undefined: there is none. */
  readonly admin?: AdminSettings
}

export type AdminSettings = {
  readonly listen: ListenAddress
  readonly tls?: TlsSettings
  /** Where the one-time code for the first admin client is put. */
  readonly codeFile: string
}

/** A listener's own certificate; both are read anew when they change. */
export type TlsSettings = {
  /** Absolute path of the certificate and those between it and the root, PEM. */
  readonly certificateFile: string
  /** Absolute path of its key, PEM. */
  readonly keyFile: string
}

/** How client certificates (RFC 8705) come in: by our own TLS, and by a header of the trusted proxies. */
export type ClientCertificateSettings = {
  /** Absolute path of the authorities' certificates, PEM. */
  readonly authoritiesFile?: string
  readonly header?: { readonly name: string; readonly encoding: 'rfc9440' | 'der' | 'pem' }
}

/** Tokens that carry what is being done, and for whom, from service to service. */
export type TransactionSettings = {
  /** Their `aud`: everybody inside. */
  readonly trustDomain: string
  readonly lifetimeSeconds: number
}

/** How DPoP proofs (RFC 9449) are checked. */
export type DpopSettings = {
  /** Whether each proof needs a nonce of ours. */
  readonly nonces: boolean
  /** What nonces are made from; undefined: at the issuer the seal, elsewhere random for each process. */
  readonly nonceSecret: Secret | undefined
}

export type StoreSettings =
  | { readonly kind: 'memory' }
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'postgres'; readonly url: Secret }

/** A program that holds the issuer's keys. */
export type ExternalKeySettings = {
  /** The program and its arguments. */
  readonly command: readonly string[]
  /** How long one of its answers may take. */
  readonly timeoutMs: number
  /** New keys are the issuer's own again; those elsewhere sign until the next one may. */
  readonly leave: boolean
}

export type GatewaySettings = {
  readonly listen: ListenAddress
  /** The realm of challenges (RFC 9110 §11.5). */
  readonly realm: string
  /** The URL by which callers reach the gateway, without a slash at its end; without it no bound token is taken. */
  readonly url?: string
  readonly dpop?: DpopSettings
  readonly tls?: TlsSettings
  readonly clientCertificates?: ClientCertificateSettings
  /** Decision endpoints for other proxies; none unless given. */
  readonly authz?: readonly AuthzSettings[]
  /** How many processes share its address; one unless given. */
  readonly workers?: number
  /** For how long it goes on while what our issuer has revoked cannot be had; without end unless given. */
  readonly revocationsStaleAfterSeconds?: number
  readonly limits?: GatewayLimitSettings
}

/** Of the gateway's limits those that the file sets, by their names. */
export type GatewayLimitSettings = Readonly<Record<string, number>>

/** Which proxy asks, and so in which words it says what it was asked itself. */
export type AuthzProxy = 'nginx' | 'traefik' | 'caddy' | 'envoy' | 'envoyGrpc' | 'haproxy'

export type AuthzSettings = {
  readonly proxy: AuthzProxy
  /** For this proxy alone. */
  readonly listen: ListenAddress
  /** Addresses and networks it asks from; none: whoever can reach the address, which is on loopback then. */
  readonly peers: readonly string[]
}

export type OperationsSettings = {
  /** Where metrics and probes are; undefined: nowhere. */
  readonly listen: ListenAddress | undefined
  /** Of how many requests a line is logged: 0 none, 1 all. */
  readonly accessLogShare: number
}

/** A token bucket: what drips in, and what fits. */
export type RateLimit = { readonly perSecond: number; readonly burst: number }

export type TrustedIssuer = {
  readonly name: string
  /** The `iss` claim, exactly. */
  readonly issuer: string
  /** What its tokens must carry in `aud` to be meant for us. */
  readonly audience: string
  readonly algorithms: readonly Algorithm[]
  /** The `typ` its tokens must carry (RFC 8725 §3.11): `at+jwt` unless the file says otherwise. */
  readonly type: string
  readonly keys:
    | { readonly kind: 'discovery' }
    | { readonly kind: 'jwks'; readonly url: string }
    | { readonly kind: 'secret'; readonly secret: Secret; readonly dangerouslyShort: boolean }
  /** JSON Pointer to the roles in its claims; undefined: `/roles`. */
  readonly roles: string | undefined
}

export type Service = {
  readonly name: string
  readonly audience: string
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
  /** Where the gateway forwards to, the first of its targets; undefined: guarded by itself only. */
  readonly upstream: string | undefined
  /** All the file says of the way there, when that is more than one URL. */
  readonly upstreamSettings?: UpstreamSettings
  /** Undefined: no upgrades. */
  readonly websocket?: WebSocketSettings
  /** Path prefix at the gateway ("/billing"), taken off before forwarding; "/" for all that nobody else claims. */
  readonly at: string | undefined
  /** Host name at the gateway, lower case, no port; instead of `at`. */
  readonly host: string | undefined
  /** Names of trusted issuers whose tokens this service accepts beside our own issuer's. */
  readonly accepts: readonly string[]
  /** Whether tokens of our own issuer are accepted. */
  readonly acceptsOwn: boolean
  /** Where the token is looked for; in exactly one of these places may it stand. */
  readonly tokenFrom: readonly TokenPlace[]
  /** Takes transaction tokens of our own issuer instead of access tokens. */
  readonly transactions?: boolean
  /** Takes only tokens that are bound to their client in this way; `any`: in either. Unless given bearer tokens as well. */
  readonly bind?: TokenBinding | 'any'
  /** How often one caller may use it, whatever the route. */
  readonly limit?: RateLimit
  /** The longest body of a request; undefined: any. */
  readonly bodyLimitBytes?: number
  /** Pages of which origins may call it; undefined: the service says so itself. */
  readonly cors?: CorsSettings
  /** What becomes of the caller's token behind the gateway; undefined: it is passed on. */
  readonly token?: TokenUse
  /** Headers for the service that are filled from claims, by JSON Pointer or name. */
  readonly claimHeaders?: ReadonlyMap<string, string>
  readonly routes: readonly Route[]
}

export type TokenUse =
  | 'forward'
  | 'remove'
  /** Exchanged by this client for a token of our own issuer's. The secret is undefined where none are loaded. */
  | { readonly client: string; readonly secret: Secret | undefined }

/** Cross-origin resource sharing, as the Fetch standard has it. */
export type CorsSettings = {
  /** Exactly as browsers send them; `*` alone: any, without credentials. */
  readonly origins: readonly string[] | '*'
  /** Request headers a page may set, in lower case. */
  readonly headers: readonly string[]
  /** Reply headers a page may see. */
  readonly expose: readonly string[]
  readonly credentials: boolean
  readonly maxAgeSeconds: number
}

/** How the gateway reaches a service. What is undefined is left to the gateway's limits. */
export type UpstreamSettings = {
  /** URLs, at least one. */
  readonly targets: readonly string[]
  readonly balance: 'least-pending' | 'round-robin'
  /** `h2` above http means that both know it. */
  readonly protocol: 'http/1.1' | 'h2'
  readonly timeouts: {
    readonly connectSeconds: number | undefined
    readonly replySeconds: number | undefined
    readonly stallSeconds: number | undefined
    readonly idleSeconds: number | undefined
  }
  /** For each target. */
  readonly connections: number | undefined
  readonly waiting: number | undefined
  /** A target without a reply `after` times in a row is left alone, at first `forSeconds` long. */
  readonly eject: { readonly after: number; readonly forSeconds: number }
  readonly probe: UpstreamProbeSettings | undefined
  /** Only of requests without a body that change nothing, before any byte of a reply, each time to another target. */
  readonly retries: { readonly most: number; readonly percent: number }
  readonly tls: UpstreamTlsSettings | undefined
}

/** Which routes of a service may become WebSockets (RFC 6455), and for how long. */
export type WebSocketSettings = {
  /** As they stand in the file: `GET /live`. */
  readonly routes: readonly string[]
  readonly connections: number
  readonly idleSeconds: number
  /** Otherwise a WebSocket ends with the token it was opened with. */
  readonly outlivesToken: boolean
}

export type UpstreamProbeSettings = {
  readonly path: string
  readonly everySeconds: number
  readonly timeoutSeconds: number
  readonly wellAfter: number
  readonly outAfter: number
}

/** Paths of PEM files, absolute: they are read anew when they change. */
export type UpstreamTlsSettings = {
  /** Instead of the authorities that the machine trusts. */
  readonly caFile: string | undefined
  readonly certificateFile: string | undefined
  readonly keyFile: string | undefined
  readonly serverName: string | undefined
}

export type TokenPlace =
  /** `Authorization: Bearer …` (RFC 6750 §2.1) */
  | { readonly kind: 'bearer' }
  /** The whole value of a named header, such as the tutorial's `Token`. */
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string }

export type Route = {
  /** An upper-case method, or `*` for every method the route table knows. */
  readonly method: string
  /** Literal segments, `{name}`, and a `{**}` tail. */
  readonly template: string
  readonly requirement: Requirement
  /** Line in the trust file, for messages and decision records. */
  readonly line: number
  /** How often one caller may use it. */
  readonly limit?: RateLimit
  /** A condition in CEL that must hold as well. */
  readonly when?: string
  /** Decides and writes it down, and lets everybody through. */
  readonly dryRun?: boolean
}

/** What a token is bound to: a DPoP key (RFC 9449 §6) or a client certificate (RFC 8705 §3). */
export type TokenBinding = 'dpop' | 'certificate'

export type Client = {
  /** The `client_id`. */
  readonly id: string
  /** One or two secrets (two while rotating); none for a client that shows assertions. */
  readonly secrets: readonly Secret[]
  /** What it shows instead of a secret: a JWT that it or its platform has signed (RFC 7523 §2.2). */
  readonly assertion?: ClientAssertion
  /** What it shows instead: a certificate, in the TLS handshake. */
  readonly certificate?: ClientCertificate
  readonly may: readonly Grant[]
  /** Services whose callers' tokens it may exchange for tokens of its own `may` (RFC 8693); none unless said. */
  readonly mayExchange?: readonly string[]
  /** Services whose callers' tokens it may ask about (RFC 7662), beside its own tokens; none unless said. */
  readonly introspects?: readonly string[]
  /** Also tokens that are bound to their caller, who alone could prove it: its own guard has checked that. */
  readonly mayExchangeBound?: boolean
  /** For whom it may ask by a trusted issuer's word (RFC 7523 §2.1), by that issuer's name; for nobody unless said. */
  readonly mayAssert?: ReadonlyMap<string, AssertedSubjects>
  /** The scopes of transactions that it may begin or go on with; none unless said. */
  readonly mayTransact?: readonly string[]
  /** Its tokens are bound to it in this way, always. */
  readonly bind?: TokenBinding
}

/** What a client's certificate must be: one of these, registered here; or by its names, and then signed by an authority. */
export type ClientCertificate =
  /** `self_signed_tls_client_auth` (RFC 8705 §2.2); SHA-256 of the DER, base64url. */
  | { readonly kind: 'registered'; readonly thumbprints: readonly string[] }
  /** `tls_client_auth` (RFC 8705 §2.1): the one name that is compared, exactly. */
  | { readonly kind: 'named'; readonly by: CertificateName; readonly name: string }

/** Its subject (RFC 4514), or one of its alternative names. */
export type CertificateName = 'subject' | 'dns' | 'uri' | 'ip' | 'email'

/** Those of a trusted issuer's subjects that are meant: one of these, and with all of these claims. */
export type AssertedSubjects = {
  /** None: the claims decide alone. */
  readonly subjects: readonly string[]
  readonly match: readonly ClaimMatch[]
}

export type ClientAssertion = OwnAssertion | FederatedAssertion

export type OwnAssertion = {
  /** Signed by the client itself: `private_key_jwt`. */
  readonly kind: 'own'
  readonly keys: ClientKeys
  /** Also takes assertions whose `aud` is the token endpoint, as libraries from before RFC 7523bis write them. */
  readonly legacyAudience: boolean
}

export type FederatedAssertion = {
  /** Signed by the platform the client runs on, which knows it by what it is and not by what it has. */
  readonly kind: 'federated'
  readonly preset: 'github' | 'kubernetes' | 'spiffe' | undefined
  /** The platform's `iss`, exactly. */
  readonly issuer: string
  readonly keys: KeysAtUrl
  /** The `sub` must be one of these; none: the claims below decide alone. */
  readonly subjects: readonly string[]
  /** Every one of these claims must have exactly this value. */
  readonly match: readonly ClaimMatch[]
}

export type ClaimMatch = { readonly path: readonly string[]; readonly value: string | number | boolean }

export type ClientKeys =
  | { readonly kind: 'keys'; readonly keys: readonly VerificationKey[] }
  | ({ readonly kind: 'jwks' } & KeysAtUrl)

/** Public keys that are fetched. */
export type KeysAtUrl = {
  /** The key set's own URL; undefined: found by discovery at its issuer. */
  readonly url: string | undefined
  /** What the keys may be used for. */
  readonly algorithms: readonly Algorithm[]
}

/** What a client may get for one service: never more than this, often less. */
export type Grant = {
  readonly service: string
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
}
