import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a proxy needs to know of the tokens it checks. */
export type ProxyCheck = {
  readonly algorithm: 'ES256' | 'RS256' | 'HS256'
  readonly issuer: string
  readonly audience: string
  /** A file with the public key in PEM, or the secret itself: what HAProxy's `jwt_verify` takes. */
  readonly key: string
}

/** HAProxy before one upstream; with `check` it verifies every token, and the claims that we look at too. */
export function haproxyConfiguration(
  file: string,
  port: number,
  upstreamPort: number,
  check?: ProxyCheck,
): string {
  return written(
    file,
    `global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend front
  bind 127.0.0.1:${port}
${check === undefined ? '' : haproxyCheck(check)}  default_backend back
backend back
  http-reuse always
  server one 127.0.0.1:${upstreamPort}
`,
  )
}

function haproxyCheck({ algorithm, issuer, audience, key }: ProxyCheck): string {
  return `  http-request set-var(txn.token) http_auth_bearer
  http-request deny deny_status 401 unless { var(txn.token) -m found }
  http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless { var(txn.alg) -m str ${algorithm} }
  http-request deny deny_status 401 unless { var(txn.token),jwt_verify(txn.alg,"${key}") -m int 1 }
  http-request deny deny_status 401 unless { var(txn.token),jwt_payload_query('$.iss') -m str ${issuer} }
  http-request deny deny_status 401 unless { var(txn.token),jwt_payload_query('$.aud') -m str ${audience} }
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 unless { var(txn.token),jwt_payload_query('$.exp','int'),sub(txn.now) -m int gt 0 }
  http-request deny deny_status 403 unless { var(txn.token),jwt_payload_query('$.scope') -m sub invoices:read }
  http-request del-header countersign-subject
  http-request set-header countersign-subject %[var(txn.token),jwt_payload_query('$.sub')]
  http-request replace-path /billing(/.*) \\1
`
}

/** nginx before one upstream. Buffers large enough for the large reply: otherwise it writes that to a file first. */
export function nginxProxy(folder: string, port: number, upstreamPort: number): string {
  return nginxConfiguration(
    folder,
    'proxy',
    `upstream back { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 100000000; }
server {
  listen 127.0.0.1:${port};
  location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 16 32k; }
}`,
  )
}

/** A static upstream: a small resource, a file of 100 KiB, and a place that takes a body. */
export function nginxUpstream(folder: string, port: number): string {
  writeFileSync(join(folder, '100k'), 'x'.repeat(100 * 1024))
  return nginxConfiguration(
    folder,
    'upstream',
    `server {
  listen 127.0.0.1:${port};
  default_type application/json;
  location /invoices { return 200 '${smallBody}'; }
  location /files/ { alias ${folder}/; }
}`,
  )
}

function nginxConfiguration(folder: string, name: string, http: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((what) => `${what}_temp_path ${folder}/${what};`)
    .join(' ')
  return written(
    join(folder, `${name}.conf`),
    `daemon off;
master_process off;
worker_processes 1;
pid ${folder}/${name}.pid;
error_log ${folder}/${name}.log crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  ${temporary}
  ${http}
}
`,
  )
}

function written(path: string, text: string): string {
  writeFileSync(path, text)
  return path
}

/** 183 bytes, as a small resource has. */
export const smallBody = JSON.stringify({ id: 7, customer: 'c-1004', state: 'paid', lines: 'x'.repeat(129) })
