import { fields, optional } from './shape.ts'
import type { Shape } from './shape.ts'
import { clientsSection } from './client-section.ts'
import { gatewaySection } from './gateway-section.ts'
import { issuerSection } from './issuer-section.ts'
import { operationsSection, trustedProxies } from './operations-section.ts'
import { servicesSection } from './service-section.ts'
import { transactionsSection } from './transactions-section.ts'
import { trustedSection } from './trusted-section.ts'

/** The whole trust file: what may stand in it. Reader, environment overrides and JSON Schema come from this table. */
export const trustFile = fields({
  issuer: optional(issuerSection, 'Our own issuer: signs tokens.'),
  gateway: optional(gatewaySection, 'The gateway: lets through what the services’ routes allow.'),
  trusted: optional(trustedSection, 'Issuers other than ours whose tokens services may accept, by name.'),
  services: optional(servicesSection, 'What is called, by name.'),
  clients: optional(clientsSection, 'Registered callers, by client id.'),
  transactions: optional(
    transactionsSection,
    'Transaction tokens, which carry what is being done and for whom from service to service; none unless given.',
  ),
  operations: optional(operationsSection, 'For those who run it: metrics, probes and the access log.'),
  trustedProxies: optional(
    trustedProxies(),
    'Addresses or networks of proxies before us that may say who the client is (X-Forwarded-For).',
  ),
})

export type TrustFileDraft = typeof trustFile extends Shape<infer T> ? T : never
