import { readFileSync, writeFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { Problem } from '@countersign/sdk/core'
import type { Service, Trust } from '../../trust/trust.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { loadTrust } from '../find-trust.ts'
import { isTypesModule, typesModule } from '../types-module.ts'

type Options = { readonly check?: boolean; readonly force?: boolean; readonly service?: readonly string[] }

/**
 * Writes a typed module with what the trust file says of its services, or checks that the one there says the same. No
 * secret is looked at.
 *
 * JSON: `{ "file", "services": […], "state": "written" | "unchanged" | "old" }`; `old` by `--check` alone.
 *
 * @returns 5 when `--check` finds that it is old, or not there.
 */
export async function run(
  context: Context,
  { check = false, force = false, service: names = [] }: Options,
  file = 'countersign.ts',
): Promise<number> {
  const { terminal, json, cwd } = context
  const { trust, file: trustFile } = await loadTrust(context, 'none')
  const services = chosen(trust, names)
  if (!/\.[cm]?ts$/.test(file)) {
    throw new Problem('usage', `expected the name of a TypeScript file, got ${JSON.stringify(file)}`, {
      next: 'for example `countersign types src/countersign.ts --service billing --service stock`',
    })
  }
  refuseConditions(services)
  const path = resolve(cwd, file)
  const before = readBefore(path)
  const text = typesModule(trust, services, trustFile.name)
  const isSame = before === text
  const state = isSame ? 'unchanged' : check ? 'old' : 'written'
  if (state === 'written') write(path, text, before, force, cwd)
  const name = shown(path, cwd)
  if (json) {
    terminal.print(JSON.stringify({ file: name, services: services.map(({ name }) => name), state }, null, 2))
  } else if (state === 'old') {
    terminal.say(
      `countersign: ${name} ${before === undefined ? 'is not there' : `is older than ${trustFile.name}`}`,
    )
    terminal.say(`  next: write it with \`${commandFor(file, names, context)}\``)
  } else terminal.print(state === 'written' ? `wrote ${name}` : `${terminal.paint('good', 'ok')} ${name}`)
  return state === 'old' ? exitCodes.denied : exitCodes.ok
}

/** Left out, a guard would let through what the gateway refuses. */
function refuseConditions(services: readonly Service[]): void {
  for (const { name, routes } of services) {
    const route = routes.find(({ when }) => when !== undefined)
    if (route === undefined) continue
    throw new Problem(
      'trust-unusable',
      `services.${name}: ${route.method} ${route.template} has a condition in CEL, which a guard cannot ask`,
      { next: 'say it as a policy, or name the other services with --service' },
    )
  }
}

function chosen({ services }: Trust, names: readonly string[]): readonly Service[] {
  if (names.length === 0) return [...services.values()]
  return names.map((name) => {
    const service = services.get(name)
    if (service !== undefined) return service
    throw new Problem('usage', `there is no service ${name} in the trust file`, {
      next: `it has ${[...services.keys()].join(', ')}`,
    })
  })
}

function readBefore(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function write(path: string, text: string, before: string | undefined, force: boolean, cwd: string): void {
  if (before !== undefined && !isTypesModule(before) && !force) {
    throw new Problem('file-exists', `${shown(path, cwd)} is there, and was not written by this command`, {
      next: 'name another file, or say --force to replace it',
    })
  }
  try {
    writeFileSync(path, text)
  } catch (cause) {
    throw new Problem('folder-unwritable', `cannot write ${shown(path, cwd)}`, {
      next: 'check that the folder is there and that this user may write in it',
      cause,
    })
  }
}

function commandFor(file: string, names: readonly string[], { config }: Context): string {
  const flags = config === undefined ? [] : ['--config', config]
  return ['countersign types', file, ...flags, ...names.flatMap((name) => ['--service', name])].join(' ')
}

function shown(path: string, cwd: string): string {
  const near = relative(cwd, path)
  return near.startsWith('..') ? path : near
}
