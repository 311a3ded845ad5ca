/**
 * `npm run bench -- jwt|issuer|gateway|guard`: measures us beside named peers, side by side in one run, and writes
 * bench/results/NAME.json and NAME.md. Never a test: nothing here passes or fails. `gateway-soak` takes ten minutes, and
 * is run only by its name.
 */
const benches: Record<string, () => Promise<{ run(): Promise<void> }>> = {
  jwt: () => import('./jwt.ts'),
  gateway: () => import('./gateway.ts'),
  issuer: () => import('./issuer.ts'),
  guard: () => import('./guard.ts'),
  'gateway-soak': () => import('./gateway-soak.ts'),
}

const asked = process.argv.slice(2)
const names = asked.length > 0 ? asked : Object.keys(benches).filter((name) => name !== 'gateway-soak')
const unknown = names.find((name) => !Object.hasOwn(benches, name))
if (unknown !== undefined) {
  console.error(`no bench "${unknown}"; there are: ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}
for (const name of names) await (await benches[name]!()).run()
