import { test } from 'node:test'
import { playExport } from '../../../../../test/cli/export.ts'

test('export envoy', (t) => playExport(t, 'envoy', { endpoint: 'envoyGrpc' }))
