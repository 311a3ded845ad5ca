import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import type { CommandOptions } from 'commander'
import { addAdminCommands } from './admin-commands.ts'
import type { Context } from './context.ts'
import { addExportCommands } from './export-commands.ts'
import { loadEnvironment } from './load-environment.ts'
import type { Terminal } from './terminal.ts'

export type Globals = { readonly json?: boolean; readonly config?: string; readonly env?: string }

/**
 * The command line's commands and options. Each command is a module under `commands/` with a `run`, imported when it is
 * used.
 *
 * @param end takes the exit code of the command that ran
 */
export function createProgram(terminal: Terminal, end: (code: number) => void): Command {
  const program = new Command('countersign')
  program
    .description('Service-to-service authentication: an issuer, a gateway and a guard on one trust file.')
    .usage('<command> [options]')
    .option('--config <file>', 'the trust file; otherwise $COUNTERSIGN_CONFIG, then ./countersign.yaml')
    // Not --env-file: Node takes that one for itself wherever it stands.
    .option('--env <file>', 'take environment variables from a file; those already set stay')
    .option('--json', 'print the result as one JSON document')
    .configureOutput({
      outputError(text, write) {
        const { message, next } = usageMistake(text)
        write(`countersign: ${message}\n  next: ${next}\n`)
      },
    })
    .showSuggestionAfterError()
    .exitOverride()
    .addOption(new Option('-V, --version', 'print the version'))
    .on('option:version', () => {
      terminal.print(readVersion())
      throw new CommanderError(0, 'commander.version', '')
    })
    .addHelpText('after', helpEnd)

  /** @param load imports the command's module when the command is used */
  const command: AddCommand = (parent, usage, about, load, settings = {}) =>
    parent
      .command(usage, settings)
      .description(about)
      .configureHelp({ showGlobalOptions: true })
      .action(async (...given: unknown[]) => {
        const self = given.at(-1) as Command
        const { run } = await load()
        const words = given.slice(0, -2) as never[]
        // With those of its parents: `demo login alice --provider-port 1` is read as an option of demo.
        const options = self.optsWithGlobals<Globals>()
        end(await run(contextOf(options, terminal), options as never, ...words))
      })

  const demo = command(
    program,
    'demo',
    'run the tutorial and its next steps, live',
    () => import('./commands/demo.ts'),
  )
  demo.option('--print-trust', 'print the demo’s trust file and start nothing')
  demo.option(
    '--algorithm <name>',
    'what the issuer signs with, such as Ed25519; also COUNTERSIGN_DEMO_ALGORITHM',
  )
  for (const part of ['issuer', 'gateway', 'provider', 'secret', 'billing']) {
    demo.option(`--${part}-port <port>`, `another port; also COUNTERSIGN_DEMO_${part.toUpperCase()}_PORT`)
  }
  command(
    demo,
    'login <person>',
    'log a person in at the running demo and print their token',
    () => import('./commands/demo-login.ts'),
  ).option('--audience <uri>', 'the service the token is for')
  command(
    program,
    'init [file]',
    'write a trust file to start from',
    () => import('./commands/init.ts'),
  ).option('--force', 'replace what is there')
  command(
    program,
    'check',
    'read the trust file and report every mistake',
    () => import('./commands/check.ts'),
  ).option('--without-secrets', 'do not look for the secrets, as in a pull request')
  command(
    program,
    'doctor',
    'look at an installation, and say what is wrong with it',
    () => import('./commands/doctor.ts'),
  ).addOption(new Option('--only <part>', 'only what this part needs').choices(['issuer', 'gateway']))
  command(
    program,
    'types [file]',
    'write the services of the trust file as a typed module',
    () => import('./commands/types.ts'),
  )
    .option('--service <name>', 'only this service; said again for another one', several)
    .option('--check', 'change nothing; say whether the module there is up to date')
    .option('--force', 'replace a file that is none of ours')
  command(program, 'serve', 'run what the trust file declares', () => import('./commands/serve.ts'))
    .addOption(new Option('--only <part>', 'only this part').choices(['issuer', 'gateway']))
    .addOption(
      new Option('--log <level>', 'how much to log')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .option('--announce <seconds>', 'how long to say "not ready" before stopping', '0')
    .option(
      '--workers <count>',
      'how many processes share the gateway’s address; the trust file’s unless given',
    )
    .option('--no-watch', 'take over a changed trust file on SIGHUP only')
  command(
    program,
    'explain <method> <path>',
    'say which rule decides about a request, and how',
    () => import('./commands/explain.ts'),
  )
    .option('--token <token>', tokenOption)
    .option('--host <name>', 'the host name asked for, for services that are found by it')
    .option('--service <name>', 'ask this service itself, without a gateway before it')
  command(
    program,
    'tail [log]',
    'show what the gateway decides, out of its log',
    () => import('./commands/tail.ts'),
  )
    .option('--denied', 'only what is refused, or would be in a dry run')
    .option('--service <name>', 'only requests to this service')
    .option('--client <id>', 'only requests of this client')
    .option('--id <id>', 'only the request with this requestId, or those with this token’s jti')
  command(program, 'token', 'get an access token as a client', () => import('./commands/token.ts'))
    .requiredOption('--client <id>', 'the client id')
    .option('--service <name>', 'the service the token is for; may be left out by a client of one service')
    .option('--scope <scopes...>', 'only these scopes')
    .option('--role <roles...>', 'only these roles')
    .option('--issuer <url>', 'the issuer; the trust file’s unless given')
    .option('--secret-env <name>', 'the environment variable with the client’s secret')
    .option('--secret-file <file>', 'the file with the client’s secret; - is standard input')
    .option('--key-file <file>', 'the file with the client’s private key, as a JWK')
    .option('--assertion-file <file>', 'the file with an assertion that the client’s platform has signed')
    .option('--dpop', 'bind the token to a key that ends with this command: to look at, not to call with')
  command(
    program,
    'inspect [token]',
    'show what is written in a token, unverified',
    () => import('./commands/inspect.ts'),
  )
  command(
    program,
    'verify [token]',
    'verify a token and list every check',
    () => import('./commands/verify.ts'),
  )
    .option('--service <name>', 'as this service does; may be left out when there is only one')
    .option('--issuer <url>', 'for this issuer, without a trust file')
    .option('--audience <uri>', 'with --issuer: the audience to expect')
    .option('--jwks <url>', 'with --issuer: where its keys are, when discovery does not tell')
    .option('--type <typ>', 'with --issuer: the token type to expect; at+jwt unless given')
  const keys = program.command('keys').description('look at an issuer’s keys')
  command(keys, 'list', 'list the keys that are published', () => import('./commands/keys-list.ts'), {
    isDefault: true,
  })
    .option('--issuer <url>', 'the issuer; the trust file’s unless given')
    .option('--all', 'every key on record with its state, from the admin API')
  addAdminCommands(program, keys, command)
  addExportCommands(program, command)
  const store = program.command('store').description('where an issuer keeps its keys, clients and audit log')
  command(
    store,
    'copy <from> <to>',
    'copy everything in one store to another, empty one',
    () => import('./commands/store-copy.ts'),
  ).addHelpText('after', '\nA store is sqlite:path, postgres://user@host/database, env:NAME or file:PATH.')
  return program
}

/** Commander's words in our form: what is wrong, and what next. */
export function usageMistake(text: string): { readonly message: string; readonly next: string } {
  const [message = '', suggestion] = text
    .replace(/^error: /, '')
    .trimEnd()
    .split('\n')
  const near = suggestion?.replace(/^\(Did you mean (.*)\?\)$/, 'did you mean $1?')
  const file = /^too many arguments .*: ([^ ,]+\.ya?ml)\.$/.exec(message)?.[1]
  const named = file === undefined ? undefined : `name the trust file with --config ${file}`
  const next = near ?? named
  return {
    message,
    next: next ?? '`countersign help` lists the commands, `countersign help <command>` explains one',
  }
}

/** Adds a command below `parent`. */
export type AddCommand = (
  parent: Command,
  usage: string,
  about: string,
  load: () => Promise<{ readonly run: Runner }>,
  settings?: CommandOptions,
) => Command

/** What every command module exports as `run`; the words are its arguments in order. */
type Runner = (context: Context, options: never, ...words: never[]) => Promise<number> | number

/** An option that may be said again. One that takes several words would take the file's name as well. */
function several(word: string, before: readonly string[] = []): readonly string[] {
  return [...before, word]
}

function contextOf({ json, config, env: file }: Globals, terminal: Terminal): Context {
  const cwd = process.cwd()
  const env = file === undefined ? process.env : loadEnvironment(file, cwd, process.env)
  return { terminal, env, cwd, json: json === true, config }
}

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL(import.meta.resolve('#manifest')), 'utf8')) as {
    version: string
  }
  return manifest.version
}

const tokenOption = 'for this token; - reads it from standard input, env from $COUNTERSIGN_TOKEN'

const helpEnd = `
Results go to standard output, talk to standard error. NO_COLOR turns colour off.
Exit codes: 0 it worked, 1 it failed, 2 typed wrong, 3 trust file, 4 unreachable, 5 the answer is no.`
