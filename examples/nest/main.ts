import 'reflect-metadata'
import { Body, Controller, createParamDecorator, Get, HttpException, Module } from '@nestjs/common'
import { NotFoundException, Param, Post } from '@nestjs/common'
import { APP_GUARD, APP_INTERCEPTOR, NestFactory } from '@nestjs/core'
import { guardExpress } from '@countersign/sdk/express'
import { createGuard } from '@countersign/sdk/guard'
import { moduleNest, Public, readAuth, Roles } from '@countersign/sdk/nest'
import type { Principal } from '@countersign/sdk/policy'

const guard = createGuard({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080', // its keys are found by discovery
  audience: 'https://billing.acme.example', // what tokens must be made for
})
const Auth = createParamDecorator(readAuth)

const invoices = new Map([['7', { id: '7', amount: 120 }]])

@Controller()
class InvoicesController {
  @Public()
  @Get('health')
  health() {
    return 'ok'
  }

  @Roles('reader')
  @Get('invoices/:id')
  read(@Param('id') id: string, @Auth() auth: Principal) {
    const invoice = invoices.get(id)
    if (invoice === undefined) throw new NotFoundException()
    return { ...invoice, for: auth.subject }
  }

  @Roles('admin')
  @Post('invoices')
  write(@Body() { amount }: { amount: number }) {
    const invoice = { id: String(invoices.size + 7), amount }
    invoices.set(invoice.id, invoice)
    return invoice
  }
}

@Module({
  // Every handler needs a token, unless it says something else.
  imports: [moduleNest(guard, { APP_GUARD, APP_INTERCEPTOR, HttpException })],
  controllers: [InvoicesController],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: false })
app.use(guardExpress(guard, 'open')) // refuses paths with two readings before the router sees them
await app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1')
console.log(`listening on ${(await app.getUrl()).replace('[::1]', '127.0.0.1')}`)
