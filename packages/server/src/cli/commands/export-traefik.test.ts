import { test } from 'node:test'
import { playExport } from '../../../../../test/cli/export.ts'

test('export traefik', (t) => playExport(t, 'traefik'))
