import { test } from 'node:test'
import { playExport } from '../../../../../test/cli/export.ts'

test('export haproxy', (t) => playExport(t, 'haproxy'))
