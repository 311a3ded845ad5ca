import { visible } from '../../visible.ts'
import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'

/** Lists the managed clients. JSON: `{ "clients": [ … ] }`, as the admin API has them. */
export async function run(context: Context): Promise<number> {
  const { terminal, json } = context
  const admin = await openAdmin(context)
  const clients: Record<string, unknown>[] = []
  for await (const client of admin.pages('/clients', 'clients')) clients.push(client)
  clients.sort((a, b) =>
    `${String(a['name'])} ${String(a['id'])}` < `${String(b['name'])} ${String(b['id'])}` ? -1 : 1,
  )
  if (json) {
    terminal.print(JSON.stringify({ clients }, null, 2))
    return exitCodes.ok
  }
  for (const { id, name, disabled, may = {} } of clients) {
    const services = Object.keys(may as object).join(', ') || 'nothing'
    const columns = [id, visible(String(name)) || '(no name)', services, disabled === true ? 'disabled' : '']
    terminal.print(columns.join('  ').trimEnd())
  }
  terminal.say(clients.length === 1 ? 'one managed client' : `${clients.length} managed clients`)
  return exitCodes.ok
}
