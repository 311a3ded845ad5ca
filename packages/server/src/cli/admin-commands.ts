import { Argument } from 'commander'
import type { Command } from 'commander'
import type { AddCommand } from './program.ts'

/** The commands that ask the admin API. */
export function addAdminCommands(program: Command, keys: Command, command: AddCommand): void {
  command(
    program,
    'bootstrap',
    'make the first client of the admin API',
    () => import('./commands/bootstrap.ts'),
  ).option('--code-file <file>', 'where the one-time code is; where the trust file says unless given')

  const clients = program.command('clients').description('managed clients of the issuer')
  command(clients, 'list', 'list the managed clients', () => import('./commands/clients-list.ts'), {
    isDefault: true,
  })
  command(clients, 'show <id>', 'show one managed client', () => import('./commands/clients-show.ts'))
  command(
    clients,
    'add',
    'make a client, with a new id and secret',
    () => import('./commands/clients-add.ts'),
  )
    .option('--name <name>', 'what people call it')
    .option('--service <name>', 'a service it may call')
    .option('--role <roles...>', 'as what')
    .option('--scope <scopes...>', 'with which scopes')
    .option('--settings <file>', 'a YAML or JSON file with what the trust file would say under clients.ID')
    .option('--secret-file <file>', 'write the secret to this new file instead of printing it')
  command(
    clients,
    'rotate-secret <id>',
    'mint a client’s next secret beside the old one',
    () => import('./commands/clients-rotate-secret.ts'),
  )
    .option('--finish', 'remove the older one of two secrets')
    .option('--secret-file <file>', 'write the secret to this new file instead of printing it')
  command(
    clients,
    'disable <id>',
    'give a client no more tokens, and revoke those it has',
    () => import('./commands/clients-disable.ts'),
  )
  command(
    clients,
    'enable <id>',
    'let a disabled client get tokens again',
    () => import('./commands/clients-enable.ts'),
  )
  command(
    clients,
    'remove <id>',
    'remove a managed client, and revoke its tokens',
    () => import('./commands/clients-remove.ts'),
  )

  command(keys, 'rotate', 'announce a new key before it is due', () => import('./commands/keys-rotate.ts'))
  command(
    keys,
    'remove <kid>',
    'take a key out at once and revoke its tokens',
    () => import('./commands/keys-remove.ts'),
  )
  command(
    keys,
    'import <file>',
    'announce a private key that was made elsewhere',
    () => import('./commands/keys-import.ts'),
  )
    .option('--algorithm <name>', 'what a PEM key signs with')
    .option('--key-id <kid>', 'the kid; the key’s thumbprint unless given')

  command(
    program,
    'revoke',
    'revoke a token, a subject, a client or a key',
    () => import('./commands/revoke.ts'),
  )
    .addArgument(new Argument('<kind>', 'what is revoked').choices(['token', 'subject', 'client', 'key']))
    .argument('<id>', 'its jti, sub, client id or kid')

  const audit = program.command('audit').description('the issuer’s audit log')
  command(audit, 'list', 'print the audit log', () => import('./commands/audit-list.ts'), { isDefault: true })
  command(
    audit,
    'verify [file]',
    'check that no record was changed or taken out',
    () => import('./commands/audit-verify.ts'),
  ).option('--head <head>', 'where the chain ended when it was verified before, SEQUENCE:HASH')
  command(audit, 'export', 'print the audit log as JSON lines', () => import('./commands/audit-export.ts'))
}
