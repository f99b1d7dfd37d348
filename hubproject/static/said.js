// Says a sentence to who listens rather than looks.

export function say (sentence) {
  document.getElementById('said').textContent = sentence
}

export function icon (name, kind = 'i', css = 'icon') {
  const SVG = 'http://www.w3.org/2000/svg'
  const drawn = document.createElementNS(SVG, 'svg')
  drawn.setAttribute('class', css)
  drawn.setAttribute('aria-hidden', 'true')
  drawn.append(document.createElementNS(SVG, 'use'))
  drawn.firstChild.setAttribute('href', `#${kind}-${name}`)
  return drawn
}
