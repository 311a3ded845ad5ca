import { testCommand } from '../example.ts'

testCommand('kubernetes')
