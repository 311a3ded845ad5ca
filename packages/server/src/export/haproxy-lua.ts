/**
 * The Lua action with which HAProxy asks the gateway about a request, and does what it says. It never decides: whatever goes
 * wrong in it, no backend has been named, and nobody is reached.
 *
 * @param authority where the gateway's endpoint for HAProxy is, `host:port`
 * @param filled headers beside Countersign-… that the gateway fills for a service
 */
export function haproxyLua(authority: string, filled: readonly string[]): string {
  const names = filled.map((name) => `["${name.toLowerCase()}"] = true`).join(', ')
  return `-- Made by \`countersign export haproxy --lua\`: change the trust file, and make it anew.
local endpoint = "http://${authority}/authz"
local timeout_ms = 2000
local filled = { ${names} }

-- What is hop by hop, what belongs to the body, and what only we say.
local unasked = {}
for name in ([[host connection keep-alive proxy-connection te trailer transfer-encoding content-length expect upgrade
    x-original-method x-original-uri x-original-host x-original-address]]):gmatch("%S+") do
    unasked[name] = true
end

local shown = {}
for name in ("www-authenticate content-type retry-after allow cache-control ratelimit ratelimit-policy dpop-nonce")
    :gmatch("%S+") do
    shown[name] = true
end

local function refuse(txn, status, headers, body)
    local reply = txn:reply({ status = status })
    for name, values in pairs(headers) do
        if shown[name:lower()] then
            for i = 0, #values do
                reply:add_header(name, values[i])
            end
        end
    end
    if body ~= nil and txn.f:method() ~= "HEAD" then
        reply:set_body(body)
    end
    txn:done(reply)
end

core.register_action("countersign", { "http-req" }, function(txn)
    local asked = {
        ["Host"] = { "countersign" },
        ["X-Original-Method"] = { txn.f:method() },
        ["X-Original-URI"] = { txn.f:pathq() or "" },
        ["X-Original-Host"] = { txn.f:req_fhdr("host") or "" },
        ["X-Original-Address"] = { txn.f:src() or "" },
    }
    for name, values in pairs(txn.http:req_get_headers()) do
        if not unasked[name:lower()] then
            -- As often as the client has sent it: two tokens are not one.
            local all = {}
            for i = 0, #values do
                all[#all + 1] = values[i]
            end
            asked[name] = all
        end
    end
    local answer = core.httpclient():get({ url = endpoint, headers = asked, timeout = timeout_ms })
    if answer == nil or answer.status == nil or answer.status < 200 then
        return refuse(txn, 503, { ["retry-after"] = { [0] = "1" } }, "Service Unavailable, please try again")
    end
    local headers = answer.headers or {}
    local service, target = headers["countersign-service"], headers["countersign-target"]
    if answer.status ~= 200 then
        return refuse(txn, answer.status, headers, answer.body)
    end
    if service == nil or target == nil then
        return refuse(txn, 503, {}, "Service Unavailable, please try again")
    end
    for name, values in pairs(headers) do
        local lower = name:lower()
        if filled[lower] or (lower:sub(1, 12) == "countersign-" and values ~= service and values ~= target) then
            txn.http:req_set_header(name, values[0])
        end
    end
    local nonce = headers["dpop-nonce"]
    if nonce ~= nil then
        txn:set_var("txn.countersign_nonce", nonce[0])
    end
    txn:set_var("txn.countersign_target", target[0])
    txn:set_var("txn.countersign_service", service[0])
end, 0)
`
}
