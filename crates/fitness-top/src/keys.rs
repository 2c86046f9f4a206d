//! Key bindings, which follow htop, and the commands that they invoke in each mode.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// The part of the screen that receives keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The peer list.
    List,
    /// The page of a peer.
    Page,
    /// The help.
    Help,
    /// The menu of sort columns.
    Menu,
    /// A text prompt.
    Prompt,
}

/// A command of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Quit,
    /// Redraws the whole screen.
    Redraw,
    /// Fetches all data again.
    Refresh,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Left,
    Right,
    /// Opens the selection, or accepts the typed text.
    Enter,
    /// Closes the current view.
    Back,
    Help,
    Search,
    /// Goes to the next match of the search.
    NextMatch,
    PreviousMatch,
    Filter,
    Menu,
    SortByPreviousColumn,
    SortByNextColumn,
    ReverseOrder,
    Type(char),
    Erase,
    EraseWord,
    EraseAll,
}

/// Returns the command of a key in a mode.
pub(crate) fn command(mode: Mode, key: KeyEvent) -> Option<Command> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match (key.code, mode) {
            (KeyCode::Char('c'), _) => Some(Command::Quit),
            (KeyCode::Char('l'), _) => Some(Command::Redraw),
            (KeyCode::Char('u'), Mode::Prompt) => Some(Command::EraseAll),
            (KeyCode::Char('w'), Mode::Prompt) => Some(Command::EraseWord),
            (KeyCode::Char('h'), Mode::Prompt) => Some(Command::Erase),
            (KeyCode::Char('h'), _) => Some(Command::Back),
            _ => None,
        };
    }
    if mode == Mode::Prompt { prompt_command(key) } else { view_command(mode, key.code) }
}

fn prompt_command(key: KeyEvent) -> Option<Command> {
    Some(match key.code {
        KeyCode::Char(_) if key.modifiers.contains(KeyModifiers::ALT) => return None,
        KeyCode::Char(c) => Command::Type(c),
        KeyCode::Backspace => Command::Erase,
        KeyCode::Enter => Command::Enter,
        KeyCode::Esc => Command::Back,
        KeyCode::F(3) => Command::NextMatch,
        KeyCode::F(10) => Command::Quit,
        KeyCode::Up => Command::Up,
        KeyCode::Down => Command::Down,
        KeyCode::PageUp => Command::PageUp,
        KeyCode::PageDown => Command::PageDown,
        _ => return None,
    })
}

fn view_command(mode: Mode, code: KeyCode) -> Option<Command> {
    Some(match (mode, code) {
        (_, KeyCode::F(10)) => Command::Quit,
        (_, KeyCode::Up | KeyCode::Char('k')) => Command::Up,
        (_, KeyCode::Down | KeyCode::Char('j')) => Command::Down,
        (_, KeyCode::PageUp) => Command::PageUp,
        (_, KeyCode::PageDown | KeyCode::Char(' ')) => Command::PageDown,
        (_, KeyCode::Home | KeyCode::Char('g')) => Command::Home,
        (_, KeyCode::End | KeyCode::Char('G')) => Command::End,
        (_, KeyCode::Enter) => Command::Enter,
        (_, KeyCode::Esc | KeyCode::Backspace) => Command::Back,
        // The key that opens the help or the menu closes it as well.
        (Mode::Help, KeyCode::F(1) | KeyCode::Char('h' | '?' | 'q')) => Command::Back,
        (Mode::Menu, KeyCode::F(6) | KeyCode::Char('s' | 'q')) => Command::Back,
        (Mode::List | Mode::Menu, KeyCode::Char('I')) => Command::ReverseOrder,
        (Mode::Help | Mode::Menu | Mode::Prompt, _) => return None,
        (_, KeyCode::Char('q')) => Command::Quit,
        (_, KeyCode::F(1) | KeyCode::Char('h' | '?')) => Command::Help,
        (_, KeyCode::F(5) | KeyCode::Char('r')) => Command::Refresh,
        (_, KeyCode::Left) => Command::Left,
        (_, KeyCode::Right) => Command::Right,
        (Mode::Page, KeyCode::Tab | KeyCode::Char('>')) => Command::Right,
        (Mode::Page, KeyCode::BackTab | KeyCode::Char('<')) => Command::Left,
        (Mode::List, KeyCode::F(3) | KeyCode::Char('/')) => Command::Search,
        (Mode::List, KeyCode::Char('n')) => Command::NextMatch,
        (Mode::List, KeyCode::Char('N')) => Command::PreviousMatch,
        (Mode::List, KeyCode::F(4) | KeyCode::Char('\\')) => Command::Filter,
        (Mode::List, KeyCode::F(6) | KeyCode::Char('s')) => Command::Menu,
        (Mode::List, KeyCode::Char('<')) => Command::SortByPreviousColumn,
        (Mode::List, KeyCode::Char('>')) => Command::SortByNextColumn,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(mode: Mode, code: KeyCode) -> Option<Command> {
        command(mode, KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn key_bindings_follow_htop() {
        for (codes, wanted) in [
            (&[KeyCode::F(1), KeyCode::Char('h'), KeyCode::Char('?')][..], Command::Help),
            (&[KeyCode::F(3), KeyCode::Char('/')], Command::Search),
            (&[KeyCode::F(4), KeyCode::Char('\\')], Command::Filter),
            (&[KeyCode::F(6), KeyCode::Char('s')], Command::Menu),
            (&[KeyCode::Char('I')], Command::ReverseOrder),
            (&[KeyCode::F(10), KeyCode::Char('q')], Command::Quit),
            (&[KeyCode::Esc, KeyCode::Backspace], Command::Back),
        ] {
            for code in codes {
                assert_eq!(press(Mode::List, *code), Some(wanted), "{code:?}");
            }
        }
    }

    #[test]
    fn prompt_keys_are_text_and_control_c_quits_in_every_mode() {
        for c in ['q', 'h', '/', 's', ' ', 'ä', '⚡'] {
            assert_eq!(press(Mode::Prompt, KeyCode::Char(c)), Some(Command::Type(c)));
        }
        for mode in [Mode::List, Mode::Page, Mode::Help, Mode::Menu, Mode::Prompt] {
            let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
            assert_eq!(command(mode, key), Some(Command::Quit));
            assert_eq!(press(mode, KeyCode::F(10)), Some(Command::Quit));
            let released = KeyEvent { kind: KeyEventKind::Release, ..key };
            assert_eq!(command(mode, released), None);
        }
    }
}
