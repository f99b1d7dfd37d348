// Passkeys are the one thing here that needs script. This shows their buttons where the browser can use them, hands
// them to allauth's ceremony, and says in words what went wrong.

const WORDS = {
  NotAllowedError: 'No passkey was used. Try again, or choose another way.',
  InvalidStateError: 'That passkey is added already.',
  SecurityError: 'Passkeys work only where the hub is opened by its own name over https.'
}

const said = document.getElementById('passkey-said')

document.addEventListener('allauth.error', (event) => {
  event.preventDefault()
  said.textContent = WORDS[event.detail.exception.name] || 'The passkey could not be used. Try again in a minute.'
  said.closest('.note').hidden = false
})

if (window.isSecureContext && window.PublicKeyCredential) {
  for (const part of document.querySelectorAll('[data-passkey-form]')) {
    window.allauth.webauthn.forms[part.dataset.passkeyForm]({ ids: JSON.parse(part.dataset.passkeyIds) })
    part.hidden = false
  }
} else {
  for (const part of document.querySelectorAll('[data-passkey-missing]')) part.hidden = false
}
