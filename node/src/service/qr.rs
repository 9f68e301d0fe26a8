//! otpauth URIs as QR codes. The picture holds the seed: it is made, sent and forgotten.

use super::ServiceError;
use qrcode::render::svg;
use qrcode::types::Color;
use qrcode::{EcLevel, QrCode};
use secrecy::{ExposeSecret as _, SecretString};

/// Light modules around the code, as ISO 18004 wants.
const QUIET_ZONE_MODULES: usize = 4;
/// Pixels per module in the PNG.
const MODULE_PIXELS: usize = 8;

/// As SVG.
///
/// # Errors
/// When the URI is longer than a QR code holds.
pub fn svg(uri: &SecretString) -> Result<SecretString, ServiceError> {
    let code = encode(uri)?;
    let image = code
        .render::<svg::Color<'_>>()
        .quiet_zone(true)
        .module_dimensions(MODULE_PIXELS as u32, MODULE_PIXELS as u32)
        .dark_color(svg::Color("#000000"))
        .light_color(svg::Color("#ffffff"))
        .build();
    Ok(SecretString::from(image))
}

/// As PNG: greyscale, one byte per pixel.
///
/// # Errors
/// When the URI is longer than a QR code holds.
pub fn png(uri: &SecretString) -> Result<Vec<u8>, ServiceError> {
    let code = encode(uri)?;
    let width = code.width();
    let modules = width + 2 * QUIET_ZONE_MODULES;
    let side = modules * MODULE_PIXELS;
    let colors = code.to_colors();
    let mut pixels = vec![u8::MAX; side * side];
    for (at, pixel) in pixels.iter_mut().enumerate() {
        let module = |pixel: usize| {
            (pixel / MODULE_PIXELS)
                .checked_sub(QUIET_ZONE_MODULES)
                .filter(|m| *m < width)
        };
        if let (Some(row), Some(column)) = (module(at / side), module(at % side))
            && colors.get(row * width + column) == Some(&Color::Dark)
        {
            *pixel = 0;
        }
    }
    let fault = |error: png::EncodingError| ServiceError::Fault(format!("PNG: {error}"));
    let side = u32::try_from(side).map_err(|_| ServiceError::Fault("PNG: too large".into()))?;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(fault)?;
    writer.write_image_data(&pixels).map_err(fault)?;
    writer.finish().map_err(fault)?;
    Ok(file)
}

fn encode(uri: &SecretString) -> Result<QrCode, ServiceError> {
    QrCode::with_error_correction_level(uri.expose_secret(), EcLevel::M)
        .map_err(|error| ServiceError::Fault(format!("QR code: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_png_has_a_quiet_zone_and_finder_patterns() {
        let file = png(&SecretString::from("otpauth://totp/tfauth:a?secret=GEZDGNBVGY3TQOJQ"))
            .ok()
            .unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let side = info.width as usize;
        assert_eq!((info.width, side % MODULE_PIXELS), (info.height, 0));
        let module = |row: usize, column: usize| pixels[row * MODULE_PIXELS * side + column * MODULE_PIXELS];
        let modules = side / MODULE_PIXELS;
        for at in 0..modules {
            for edge in (0..QUIET_ZONE_MODULES).chain(modules - QUIET_ZONE_MODULES..modules) {
                assert_eq!((module(at, edge), module(edge, at)), (u8::MAX, u8::MAX));
            }
        }
        // The outer ring of three finder patterns is seven dark modules long.
        for at in QUIET_ZONE_MODULES..QUIET_ZONE_MODULES + 7 {
            assert_eq!((module(QUIET_ZONE_MODULES, at), module(at, QUIET_ZONE_MODULES)), (0, 0));
            assert_eq!(module(QUIET_ZONE_MODULES, modules - 1 - at), 0);
        }
    }

    #[test]
    fn the_svg_is_one_element_without_scripts() {
        let image = svg(&SecretString::from("otpauth://totp/tfauth:a?secret=GEZDGNBVGY3TQOJQ"))
            .ok()
            .unwrap();
        let text = image.expose_secret();
        assert!(text.contains("<svg") && text.ends_with("</svg>") && !text.contains("script"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(png(&SecretString::from("x".repeat(3000))).is_err());
    }
}
