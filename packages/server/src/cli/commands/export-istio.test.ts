import { test } from 'node:test'
import { playExport } from '../../../../../test/cli/export.ts'

test('export istio', (t) =>
  playExport(t, 'istio', { endpoint: 'envoyGrpc', upstream: 'http://billing.shop.svc.cluster.local:8080' }))
