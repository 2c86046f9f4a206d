//! The main screens, as text.

use crossterm::event::KeyCode;

use super::support::{PLAIN, Seat};

#[tokio::test]
async fn look() {
    for (peers, w, h) in [(5, 40, 12), (5, 80, 24), (5, 120, 16)] {
            let mut seat = Seat::new(peers, w, h).await;
            println!("=== {peers} {w}x{h}\n{}", seat.screen(PLAIN));
            seat.press([KeyCode::Down, KeyCode::Enter]).await;
            println!("=== page {peers} {w}x{h}\n{}", seat.screen(PLAIN));
            seat.press([KeyCode::End]).await;
            println!("=== page {peers} {w}x{h}\n{}", seat.screen(PLAIN));
            seat.press([KeyCode::F(1)]).await;
            println!("=== page {peers} {w}x{h}\n{}", seat.screen(PLAIN));
            seat.press([KeyCode::Esc,KeyCode::Esc,KeyCode::F(6)]).await;
            println!("=== page {peers} {w}x{h}\n{}", seat.screen(PLAIN));
            seat.press([KeyCode::Esc,KeyCode::Char('/'), KeyCode::Char('x')]).await;
            println!("=== page {peers} {w}x{h}\n{}", seat.screen(PLAIN));
            seat.press([KeyCode::Esc,KeyCode::Char('\\'), KeyCode::Char('s'), KeyCode::Enter]).await;
            println!("=== page {peers} {w}x{h}\n{}", seat.screen(PLAIN));
    }
}
