// What mdBook's pages lack for people without a mouse.

// The label that shows and hides the navigation is a button: to be reached and pressed, and called so.
const toggle = document.getElementById('mdbook-sidebar-toggle');
if (toggle) {
  toggle.setAttribute('role', 'button');
  toggle.tabIndex = 0;
  toggle.addEventListener('keydown', event => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    toggle.click();
  });
}

// What scrolls sideways can be reached, so that the arrow keys scroll it.
const scrolled = () => document.querySelectorAll('.table-wrapper, pre > code, .checkbox-label').forEach(it => {
  if (it.scrollWidth > it.clientWidth) it.tabIndex = 0;
  else it.removeAttribute('tabindex');
});
addEventListener('load', scrolled);
addEventListener('resize', scrolled);
